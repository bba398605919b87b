/**
 * Adapters against logits that PyTorch computed from the same files (fixtures/adapters/make.py): alone, beside others
 * and beside the model as it is, in chunks, on all backends and through quantised and reordered bases.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { convert } from '../src/formats/convert.js';
import { readSafetensors } from '../src/formats/safetensors.js';
import type { DoneEvent, Engine, EngineOptions, GenerateRequest, TokenEvent } from '../src/generate/engine.js';
import { startEngine } from '../src/generate/engine-client.js';

const adapterPath = (name: string) => fileURLToPath(new URL(`fixtures/adapters/${name}`, import.meta.url));
const basePath = (name: string) => fileURLToPath(new URL(`fixtures/logits/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CASES = [
  { name: 'lora', base: 'qwen3-tied-headdim' },
  { name: 'rslora', base: 'qwen3-tied-headdim' },
  { name: 'dora', base: 'qwen3-tied-headdim' },
  { name: 'dora-bias', base: 'qwen2-tied-gqa' },
];

function expected(name: string) {
  const tensors = readSafetensors(join(adapterPath(name), 'expected.safetensors'));
  const ids = Array.from(tensors.get('input_ids')!.data as BigInt64Array, Number);
  return { ids, logits: tensors.get('logits')!.data as Float32Array };
}

const SETTINGS: EngineOptions[] = [
  { threads: 2, native: 'best' },
  { threads: 2, native: 'off', simd: 'relaxed' },
  { threads: 1, native: 'off', simd: 'plain' },
  { threads: 2, native: 'best', arenaBytes: 950_000 },
];

describe.each(CASES)('$name', ({ name, base }) => {
  it.each(SETTINGS)('agrees with PyTorch: $threads threads, native $native, SIMD $simd', async (settings) => {
    const { ids, logits } = expected(name);
    const adapters = [{ name, path: adapterPath(name) }];
    await using engine = await startEngine(basePath(base), { ...settings, kv: 'f32', adapters });
    for (const chunk of [ids.length, 7, 1]) {
      const ours = await engine.logits(ids, { chunk, adapter: name });
      expect(largestDifference(ours, logits), `chunks of ${chunk}`).toBeLessThan(1e-3 * spread(logits));
    }
  });
});

describe('several adapters in one engine', () => {
  const base = basePath('qwen3-tied-headdim');
  const adapters = ['lora', 'rslora', 'dora'].map((name) => ({ name, path: adapterPath(name) }));
  const voices = [undefined, 'lora', 'dora', 'rslora', undefined, 'dora'];

  it.each([
    { threads: 2, chunk: 16, native: 'best' },
    { threads: 2, chunk: 16, native: 'off', simd: 'relaxed' },
    { threads: 1, chunk: 16, native: 'off', simd: 'plain' },
  ] as const)('answers are the same in a crowd as alone, bit for bit: native $native', async (settings) => {
    const requests = voices.map((adapter, i) => ask(text(i, 5 + 9 * i), 24 - i, adapter));
    await using alone = await startEngine(base, settings);
    await using single = await startEngine(base, { ...settings, adapters });
    await using engine = await startEngine(base, { ...settings, adapters, sequences: voices.length });
    const one: TokenEvent[][] = [];
    for (const request of requests) one.push((await answer(single, request)).tokens);
    const together = await Promise.all(requests.map((request) => answer(engine, request)));
    expect(together.map(({ tokens }) => tokens)).toEqual(one);
    // An adapter that is loaded and not asked for changes nothing.
    expect((await answer(alone, requests[0])).tokens).toEqual(one[0]);
  });

  it('a quantised base carries them too', async () => {
    const path = join(folder, 'base.gguf');
    await convert(base, path, { type: 'q8_0' });
    const requests = voices.map((adapter, i) => ask(text(i, 5 + 9 * i), 24 - i, adapter));
    for (const simd of ['relaxed', 'plain'] as const) {
      await using single = await startEngine(path, { threads: 2, chunk: 16, simd, adapters });
      await using engine = await startEngine(path, { threads: 2, chunk: 16, simd, adapters, sequences: voices.length });
      const one: TokenEvent[][] = [];
      for (const request of requests) one.push((await answer(single, request)).tokens);
      const together = await Promise.all(requests.map((request) => answer(engine, request)));
      expect(together.map(({ tokens }) => tokens)).toEqual(one);
    }
    const { ids, logits } = expected('lora');
    await using engine = await startEngine(path, { threads: 2, kv: 'f32', adapters });
    // Eight bits move logits by some percent; the adapter moves them by several times their spread.
    expect(largestDifference(await engine.logits(ids, { adapter: 'lora' }), logits)).toBeLessThan(spread(logits) / 2);
    expect(largestDifference(await engine.logits(ids), logits)).toBeGreaterThan(spread(logits));
  });

  it('what one adapter has computed is not used for another', async () => {
    await using engine = await startEngine(base, { threads: 1, adapters });
    const prompt = text(3, 140);
    const cached = async (adapter?: string) => (await answer(engine, ask(prompt, 2, adapter))).done.stats.cachedTokens;
    expect(await cached('lora')).toBe(0);
    // With machine code float weights leave a few rows to compute, so that prompts meet the same kernels.
    expect(await cached('lora')).toBeGreaterThanOrEqual(140 - 33);
    expect(await cached('dora')).toBe(0);
    expect(await cached()).toBe(0);
    expect(await cached()).toBeGreaterThanOrEqual(140 - 33);
  });

  it('are described, and refused where the name is unknown or taken', async () => {
    await using engine = await startEngine(base, { threads: 1, adapters });
    expect(engine.info.adapters).toMatchObject([
      { name: 'lora', kind: 'LoRA', rank: 4 },
      { name: 'rslora', kind: 'rsLoRA', rank: 4 },
      { name: 'dora', kind: 'DoRA', rank: 2 },
    ]);
    const unknown = { code: 'not_found', remedy: 'Loaded: lora, rslora, dora.' };
    await expect(answer(engine, ask([1, 2], 1, 'nobody'))).rejects.toMatchObject(unknown);
    await expect(engine.logits([1, 2], { adapter: 'nobody' })).rejects.toMatchObject(unknown);
    const twice = startEngine(base, { adapters: [adapters[0], { ...adapters[1], name: 'lora' }] });
    await expect(twice).rejects.toMatchObject({ code: 'usage' });
    const foreign = startEngine(base, { adapters: [{ name: 'x', path: adapterPath('dora-bias') }] });
    await expect(foreign).rejects.toMatchObject({ code: 'bad_input' });
  });
});

const GREEDY = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

const text = (seed: number, length: number) => Array.from({ length }, (_, i) => (i * i * 31 + seed * 17 + 3) % 320);

/** Log-probabilities sum over all logits: in them a single bit shows. */
function ask(tokens: readonly number[], maxTokens: number, adapter?: string): GenerateRequest {
  return { tokens, adapter, maxTokens, stopTokens: [], logprobs: 3, detectRepetition: false, sampling: GREEDY };
}

async function answer(engine: Engine, request: GenerateRequest): Promise<{ tokens: TokenEvent[]; done: DoneEvent }> {
  const tokens: TokenEvent[] = [];
  for await (const event of engine.generate(request)) {
    if (event.type === 'done') return { tokens, done: event };
    tokens.push(event);
  }
  throw new Error('no done event');
}

function spread(x: Float32Array): number {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), a.length === b.length ? 0 : Infinity);
}
