/**
 * Fine-tunes the model in all the ways there are and compares: held-out loss, right answers, time, memory of what it
 * knew, and whether merging the adapter changes what it computes. Prints a table.
 * Run: npx tsx recipes/shop/generate.ts && npx tsx recipes/shop/compare.ts
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseReport } from '../../dist/evaluate/report.js';
import { startEngine } from '../../dist/generate/engine-client.js';

const WORK = 'recipes/shop/work';
const BASE = 'models/mini';

/** The base with the same weights, in float32. */
const EXACT = join(WORK, 'exact.gguf');

const TUNINGS: Record<string, readonly string[]> = {
  full: [],
  LoRA: ['--tuning', 'lora'],
  'QLoRA, Q8_0': ['--tuning', 'qlora', '--set', 'base=q8_0'],
  'QLoRA, Q4_0': ['--tuning', 'qlora', '--set', 'base=q4_0'],
};

const kaiwen = (...args: string[]): string =>
  execFileSync(process.execPath, ['dist/cli/main.js', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** Share of right answers, of files of items; loss a token, of conversations. */
function judge(model: readonly string[], file: string): { right?: number; loss?: number } {
  const out = join(WORK, 'judged.json');
  kaiwen('eval', ...model, join(WORK, file), '--max-tokens', '60', '--out', out);
  const { items, results } = parseReport(readFileSync(out, 'utf8'), out);
  const [{ total }] = results;
  if ('perplexity' in total) return { loss: Math.log(total.perplexity) };
  return { right: items.filter(({ correct }) => correct).length / items.length };
}

/**
 * Of the logits of 200 tokens, computed with the adapter beside the base and with it merged; both with weights in
 * float32, because products with quantised weights round activations too.
 */
async function largestDifference(adapter: string, merged: string): Promise<number> {
  const ids = Array.from({ length: 200 }, (_, i) => (i * 7919) % 4000);
  await using engine = await startEngine(EXACT, { kv: 'f32', adapters: [{ name: 'shop', path: adapter }] });
  await using other = await startEngine(merged, { kv: 'f32' });
  const [a, b] = [await engine.logits(ids, { adapter: 'shop' }), await other.logits(ids)];
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

const percent = (share: number | undefined) => `${(100 * share!).toFixed(1)} %`;

function row(name: string, model: readonly string[], seconds: string, difference: string): void {
  const loss = judge(model, 'held.jsonl').loss!.toFixed(3);
  const cells = [
    name,
    loss,
    percent(judge(model, 'eval.jsonl').right),
    percent(judge(model, 'before.jsonl').right),
    seconds,
    difference,
  ];
  console.log(`| ${cells.join(' | ')} |`);
}

console.log(
  '| | held-out loss | shop, right | what it knew, right | training | merged and beside the base, logits differ by |\n|---|---|---|---|---|---|',
);
kaiwen('convert', BASE, EXACT, '--type', 'f32', '--force');
row('before', [BASE], '', '');
for (const [name, settings] of Object.entries(TUNINGS)) {
  const out = join(WORK, name.replace(/\W+/g, '-').toLowerCase());
  const start = performance.now();
  // Full fine-tuning changes all weights, and has no adapter to describe.
  const config = join('recipes/shop', name === 'full' ? 'full.yaml' : 'lora.yaml');
  kaiwen('train', config, ...settings, '--out', out, '--fresh');
  const seconds = `${((performance.now() - start) / 1000).toFixed(0)} s`;
  if (name === 'full') {
    row(name, [join(out, 'model')], seconds, '');
    continue;
  }
  const adapter = join(out, 'adapter');
  const merged = join(out, 'merged');
  kaiwen('merge', BASE, '--adapter', adapter, '--out', merged, '--type', 'f32', '--force');
  const difference = await largestDifference(adapter, merged);
  row(name, [BASE, '--adapter', adapter], seconds, difference.toExponential(1));
}
