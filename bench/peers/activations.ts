/**
 * The error of 8-bit activations. Quantised weights meet activations rounded to 8 bits; the same weights dequantised
 * to float32 meet them as they are. What differs between the two is that rounding alone, in Kaiwen and in llama.cpp.
 *
 *   npx tsx bench/peers/activations.ts [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { listCases } from './cases.js';
import { compareLogits } from './compare.js';
import { llamaLogits, openLlama } from './llama.js';
import { formatTable, percent, short } from './table.js';
import { kaiwenLogits, Workspace } from './workspace.js';

const { values: flags } = parseArgs({ options: { json: { type: 'string' } } });
const llama = await openLlama(2);
using workspace = new Workspace();

const results = [];
for (const { name, model: source, types, ids } of await listCases()) {
  for (const type of types.filter((type) => type !== 'f32')) {
    const quantised = await workspace.convert(source, type);
    const { logits: exact, vocab } = await kaiwenLogits(await workspace.convert(quantised, 'f32'), ids);
    const { logits } = await kaiwenLogits(quantised, ids);
    await using model = await llama.loadModel({ modelPath: quantised });
    const ours = compareLogits(logits, exact, vocab);
    const theirs = compareLogits(await llamaLogits(model, ids), exact, vocab);
    results.push({ model: name, type, kaiwen: ours, 'llama.cpp': theirs });
  }
}

const rows = results.map(({ model, type, kaiwen: ours, 'llama.cpp': theirs }) => [
  ...[model, type, short(ours.rmsLogit), short(ours.largestLogit), percent(ours.topAgreement)],
  ...[short(ours.meanVariation), short(theirs.rmsLogit), short(theirs.largestLogit), percent(theirs.topAgreement)],
  short(theirs.meanVariation),
]);
const columns = ['rms/σ', 'max/σ', 'same top', 'mean ½Σ|Δp|'];
console.log('The first four columns of numbers are Kaiwen, the others llama.cpp.');
console.log(formatTable(['model', 'type', ...columns, ...columns], rows, 2));
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(results, null, 1)}\n`);
