/**
 * Converts models to GGUF, runs each file in llama.cpp and in Kaiwen, and compares the probabilities of the next token
 * at every position; then compares how both cut texts into tokens. Both keep keys and values in float32 here.
 *
 *   npx tsx bench/peers/agree.ts [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Llama } from 'node-llama-cpp';
import { openTokenizer } from '../../src/tokenizer/load.js';
import { READ_ONLY_TYPES } from './blocks.js';
import { GLOSSARY, glossaryDocuments, listCases, vectorTexts } from './cases.js';
import { compareLogits, type Difference } from './compare.js';
import { llamaLogits, openLlama } from './llama.js';
import { prepareModel } from './models.js';
import { formatTable, percent, short } from './table.js';
import { kaiwenLogits, Workspace } from './workspace.js';

const { values: flags } = parseArgs({ options: { json: { type: 'string' } } });
const llama = await openLlama(2);
using workspace = new Workspace();

const results: ({ model: string; type: string } & Difference)[] = [];
const cases = await listCases();
for (const { name, model: source, types, ids } of cases) {
  for (const type of types) await compare(name, type, await workspace.convert(source, type), ids);
}
for (const type of READ_ONLY_TYPES) await compare('small', type, await prepareModel('small', type), cases.at(-1)!.ids);

const rows = results.map((result) => [
  ...[result.model, result.type, String(result.positions), short(result.largestProbability)],
  ...[short(result.meanVariation), percent(result.topAgreement), short(result.largestLogit), short(result.rmsLogit)],
]);
const header = ['model', 'type', 'positions', 'max |Δp|', 'mean ½Σ|Δp|', 'same top', 'max |Δlogit|/σ', 'rms Δlogit/σ'];
console.log(formatTable(header, rows, 2));

const tokenizers = [
  await compareTokenizers(llama, 'glossary', await workspace.convert(GLOSSARY, 'f32')),
  await compareTokenizers(llama, 'Qwen3', await prepareModel('Qwen3-0.6B', 'q4_0')),
];
const counts = tokenizers.map((t) => [
  t.vocabulary,
  ...[t.texts, t.same, t.userDefined, t.notNormal, t.different.length].map(String),
]);
const outcomes = ['texts', 'same ids', 'hold a user-defined token', 'not in NFC', 'differ otherwise'];
console.log(`\n${formatTable(['vocabulary', ...outcomes], counts)}`);
for (const { different } of tokenizers) for (const text of different) console.log(`differs: ${JSON.stringify(text)}`);

if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ logits: results, tokenizers }, null, 1)}\n`);

async function compare(name: string, type: string, path: string, ids: readonly number[]): Promise<void> {
  const { logits, vocab } = await kaiwenLogits(path, ids);
  await using model = await llama.loadModel({ modelPath: path });
  results.push({ model: name, type, ...compareLogits(logits, await llamaLogits(model, ids), vocab) });
}

/**
 * llama.cpp differs from the reference tokenizers in two ways, which are counted apart: it does not bring text into
 * NFC, and it parses user-defined tokens (such as <think>) in any text.
 */
async function compareTokenizers(llama: Llama, vocabulary: string, path: string) {
  const ours = openTokenizer(path);
  const userDefined = [...ours.controlTokens].filter(([content, id]) => ours.decode([id]) === content);
  await using model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  const texts = [...glossaryDocuments().map(([word, gloss]) => `${word}: ${gloss}`), ...vectorTexts()];
  const counts = { vocabulary, texts: texts.length, same: 0, notNormal: 0, userDefined: 0, different: [] as string[] };
  for (const text of texts) {
    if (ours.encode(text).join() === model.tokenize(text, false).join()) counts.same++;
    else if (userDefined.some(([content]) => text.includes(content))) counts.userDefined++;
    else if (text !== text.normalize('NFC')) counts.notNormal++;
    else counts.different.push(text);
  }
  return counts;
}
