/**
 * Every architecture against logits that PyTorch computed from the same weights: in one piece, in chunks and token
 * by token, with any number of threads, on both builds of the kernels, in one arena and spread over several.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../src/formats/safetensors.js';
import type { EngineOptions } from '../src/generate/engine.js';
import { startEngine } from '../src/generate/engine-client.js';

const fixtures = fileURLToPath(new URL('fixtures/logits', import.meta.url));

const SETTINGS: EngineOptions[] = [
  { threads: 1, simd: 'relaxed' },
  { threads: 2, simd: 'relaxed' },
  { threads: 4, simd: 'plain' },
  { threads: 2, simd: 'plain', arenaBytes: 1_200_000 },
];

describe.each(readdirSync(fixtures))('%s', (name) => {
  const expected = readSafetensors(`${fixtures}/${name}/expected.safetensors`);
  const ids = Array.from(expected.get('input_ids')!.data as BigInt64Array, Number);
  const logits = expected.get('logits')!.data as Float32Array;
  const tolerance = 1e-3 * standardDeviation(logits);

  it.each(SETTINGS)('agrees with the reference: $threads threads, $simd SIMD', async (settings) => {
    await using engine = await startEngine(`${fixtures}/${name}`, { ...settings, kv: 'f32' });
    for (const chunk of [ids.length, 7, 1]) {
      const ours = await engine.logits(ids, { chunk });
      expect(largestDifference(ours, logits), `chunks of ${chunk}`).toBeLessThan(tolerance);
    }
  });
});

function standardDeviation(x: Float32Array): number {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), a.length === b.length ? 0 : Infinity);
}
