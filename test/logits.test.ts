/**
 * Every architecture against logits that PyTorch computed from the same weights: in one piece, in chunks and token
 * by token, with any number of threads, with native kernels and on both builds of WebAssembly, in one arena and spread over several, and through a GGUF of the same weights.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { convert } from '../src/formats/convert.js';
import { readSafetensors } from '../src/formats/safetensors.js';
import type { EngineOptions } from '../src/generate/engine.js';
import { startEngine } from '../src/generate/engine-client.js';

const fixtures = fileURLToPath(new URL('fixtures/logits', import.meta.url));

const SETTINGS: EngineOptions[] = [
  ...[1, 2, 4].flatMap((threads) => [
    { threads, native: 'best' as const },
    { threads, native: 'off' as const, simd: 'relaxed' as const },
    { threads, native: 'off' as const, simd: 'plain' as const },
  ]),
  { threads: 2, native: 'best', arenaBytes: 950_000 },
];

describe.each(readdirSync(fixtures))('%s', (name) => {
  const expected = readSafetensors(`${fixtures}/${name}/expected.safetensors`);
  const ids = Array.from(expected.get('input_ids')!.data as BigInt64Array, Number);
  const logits = expected.get('logits')!.data as Float32Array;
  const tolerance = 1e-3 * standardDeviation(logits);

  it.each(SETTINGS)('agrees with the reference: $threads threads, native $native, SIMD $simd', async (settings) => {
    await compare(`${fixtures}/${name}`, settings);
  });

  it('agrees through GGUF', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
    try {
      const file = join(folder, 'model.gguf');
      await convert(`${fixtures}/${name}`, file, { type: 'f32' });
      await compare(file, { threads: 2 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  async function compare(path: string, settings: EngineOptions): Promise<void> {
    await using engine = await startEngine(path, { ...settings, kv: 'f32' });
    for (const chunk of [ids.length, 7, 1]) {
      const ours = await engine.logits(ids, { chunk });
      expect(largestDifference(ours, logits), `chunks of ${chunk}`).toBeLessThan(tolerance);
    }
  }
});

function standardDeviation(x: Float32Array): number {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), a.length === b.length ? 0 : Infinity);
}
