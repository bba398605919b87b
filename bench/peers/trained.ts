/**
 * A trained model in llama.cpp: what `kaiwen train` exported, or an adapter merged into its base, becomes a GGUF file;
 * llama.cpp must cut texts into the same ids, give the same logits, and continue each text with the same tokens as
 * Kaiwen does from the exported files themselves. Ends with an error where it does not.
 *
 *   npx tsx bench/peers/trained.ts MODEL [--adapter FOLDER] [--type f32] [--tokens 24] [TEXT …]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { merge } from '../../src/adapters/merge.js';
import { convert } from '../../src/formats/convert.js';
import { CONVERT_TYPES, type ConvertType } from '../../src/formats/quant-mix.js';
import type { Engine } from '../../src/generate/engine.js';
import { startEngine } from '../../src/generate/engine-client.js';
import { openTokenizer } from '../../src/tokenizer/load.js';
import { compareLogits } from './compare.js';
import { llamaLogits, openLlama } from './llama.js';
import { formatTable, percent, short } from './table.js';
import { Workspace } from './workspace.js';

const TEXTS = ['The', 'Hello! How are you?', '你好，今天天气怎么样？', '12 + 30 =', 'What does "peace" mean?'];
/** Of the spread: what arithmetic in another order differs by at most; quantised, both round activations, each its way. */
const TOLERANCES = { float: 1e-3, quantised: 0.05 };

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    adapter: { type: 'string' },
    type: { type: 'string', default: 'f32' },
    tokens: { type: 'string', default: '24' },
  },
});
const [model, ...given] = positionals;
const type = flags.type as ConvertType;
if (model === undefined || !CONVERT_TYPES.includes(type)) {
  throw new Error('Usage: npx tsx bench/peers/trained.ts MODEL [--adapter FOLDER] [--type TYPE] [TEXT …]');
}

using workspace = new Workspace();
const path = join(workspace.folder, 'trained.gguf');
if (flags.adapter === undefined) await convert(model, path, { type });
else await merge(model, flags.adapter, path, { type });

const adapters = flags.adapter === undefined ? [] : [{ name: 'trained', path: flags.adapter }];
const adapter = adapters[0]?.name;
await using engine = await startEngine(model, { threads: 2, context: 512, kv: 'f32', adapters });
const llama = await openLlama(2);
await using peer = await llama.loadModel({ modelPath: path });
const tokenizer = openTokenizer(model);
const tolerance = type === 'f32' ? TOLERANCES.float : TOLERANCES.quantised;
const rows: string[][] = [];
const faults: string[] = [];
for (const text of given.length > 0 ? given : TEXTS) {
  const prompt = tokenizer.encode(text);
  if (prompt.join() !== peer.tokenize(text, false).join()) faults.push(`${JSON.stringify(text)}: other ids`);
  const ids = [...prompt, ...(await continued(engine, prompt))];
  const ours = await engine.logits(ids, { adapter });
  const theirs = await llamaLogits(peer, ids);
  const difference = compareLogits(theirs, ours, engine.info.vocabSize);
  const greedy = agreeing(theirs, ids, prompt.length, engine.info.vocabSize);
  if (difference.rmsLogit > tolerance) faults.push(`${JSON.stringify(text)}: logits differ by ${difference.rmsLogit}`);
  if (greedy < ids.length - prompt.length) faults.push(`${JSON.stringify(text)}: llama.cpp goes on otherwise`);
  rows.push([
    ...[JSON.stringify(text), String(ids.length), short(difference.largestProbability)],
    ...[short(difference.rmsLogit), percent(difference.topAgreement), `${greedy} of ${ids.length - prompt.length}`],
  ]);
}
console.log(formatTable(['text', 'tokens', 'max |Δp|', 'rms Δlogit/σ', 'same top', 'greedy tokens alike'], rows, 1));
if (faults.length > 0) throw new Error(`llama.cpp does not agree: ${faults.join('; ')}.`);

/** What Kaiwen answers greedily. */
async function continued(engine: Engine, tokens: readonly number[]): Promise<number[]> {
  const none = { topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };
  const sampling = { temperature: 0, ...none };
  const request = {
    tokens,
    adapter,
    maxTokens: Number(flags.tokens),
    stopTokens: [],
    detectRepetition: false,
    sampling,
  };
  const ids: number[] = [];
  for await (const event of engine.generate(request)) if (event.type === 'token') ids.push(event.id);
  return ids;
}

/** How many of the tokens from `from` on are the likeliest by these logits, or as likely within what arithmetic differs by. */
function agreeing(logits: Float32Array, ids: readonly number[], from: number, vocab: number): number {
  let count = 0;
  for (let at = from; at < ids.length; at++) {
    const row = logits.subarray((at - 1) * vocab, at * vocab);
    const best = row.reduce((a, b) => Math.max(a, b));
    if (best - row[ids[at]] <= 1e-3 * Math.abs(best)) count++;
  }
  return count;
}
