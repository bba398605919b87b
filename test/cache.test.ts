/** What the engine remembers between requests saves work and never changes an answer. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { convert } from '../src/formats/convert.js';
import type { DoneEvent, Engine, EngineOptions, GenerateRequest, TokenEvent } from '../src/generate/engine.js';
import { startEngine } from '../src/generate/engine-client.js';

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/logits/${name}`, import.meta.url));
const GREEDY: Omit<GenerateRequest, 'tokens'> = {
  maxTokens: 12,
  stopTokens: [],
  detectRepetition: false,
  sampling: {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
  },
};

async function answer(
  engine: Engine,
  tokens: number[],
  signal?: AbortSignal,
): Promise<{ ids: number[]; done: DoneEvent }> {
  const ids: number[] = [];
  for await (const event of engine.generate({ ...GREEDY, tokens }, signal)) {
    if (event.type === 'done') return { ids, done: event };
    ids.push(event.id);
  }
  throw new Error('no done event');
}

const text = (seed: number, length: number) => Array.from({ length }, (_, i) => (i * i * 31 + seed * 17 + 3) % 320);

// Attention alone, attention with recurrent layers, and rope that depends on the sequence's length.
describe.each([
  ['qwen3-tied-headdim', 'f32'],
  ['qwen3-tied-headdim', 'int8'],
  ['qwen3.5-hybrid', 'f32'],
  ['qwen1-ntk-logn', 'f32'],
] as const)('%s, %s', (name, kv) => {
  it('answers the turns of a conversation as a fresh engine would', async () => {
    await using engine = await startEngine(fixture(name), { kv, threads: 2, chunk: 16 });
    await using fresh = await startEngine(fixture(name), { kv, threads: 1, chunk: 16 });
    const first = text(1, 60);
    const reply = await answer(engine, first);
    const turns = [
      [...first, ...reply.ids, ...text(2, 40)], // goes on from the answer
      [...first, ...text(3, 30)], // takes the answer back
      [...first.slice(0, 25), ...text(4, 50)], // takes part of the prompt back
      text(5, 45), // starts anew
    ];
    const cached: number[] = [];
    for (const prompt of turns) {
      const ours = await answer(engine, prompt);
      cached.push(ours.done.stats.cachedTokens);
      await answer(fresh, text(9, 20)); // leaves nothing in common
      expect(ours.ids).toEqual((await answer(fresh, prompt)).ids);
    }
    expect(cached[0]).toBeGreaterThan(name === 'qwen1-ntk-logn' ? -1 : 60);
    expect(cached[3]).toBe(0);
  });

  it('stops within a step when it is cancelled, and goes on afterwards', async () => {
    await using engine = await startEngine(fixture(name), { kv, threads: 2 });
    const expected = await answer(engine, text(1, 30));
    const abort = new AbortController();
    const request = { ...GREEDY, tokens: text(2, 30), maxTokens: 100_000 };
    let count = 0;
    for await (const event of engine.generate(request, abort.signal)) {
      if (event.type === 'done') expect(event.reason).toBe('aborted');
      else if (++count === 5) abort.abort();
    }
    expect(count).toBeLessThan(request.maxTokens);
    for await (const event of engine.generate(request)) if (event.type === 'token') break;
    expect((await answer(engine, text(1, 30))).ids).toEqual(expected.ids);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The events of an answer with log-probabilities, in which a single bit shows. */
async function exactly(engine: Engine, tokens: number[]): Promise<{ tokens: TokenEvent[]; cached: number }> {
  const events: TokenEvent[] = [];
  for await (const event of engine.generate({ ...GREEDY, tokens, logprobs: 3 })) {
    if (event.type === 'done') return { tokens: events, cached: event.stats.cachedTokens };
    events.push(event);
  }
  throw new Error('no done event');
}

const quantised = async () => {
  const path = join(folder, 'q8_0.gguf');
  await convert(fixture('qwen3-tied-headdim'), path, { type: 'q8_0', force: true });
  return path;
};

// Float weights and recurrent layers: kernels of few rows and of many differ. Quantised: they do not.
it.each([
  { name: 'float', path: async () => fixture('qwen3-tied-headdim'), options: {} },
  { name: 'float in WebAssembly', path: async () => fixture('qwen3-tied-headdim'), options: { native: 'off' } },
  { name: 'recurrent', path: async () => fixture('qwen3.5-hybrid'), options: {} },
  { name: 'quantised', path: quantised, options: {} },
  { name: 'quantised, int8 cache', path: quantised, options: { kv: 'int8' } },
  { name: 'quantised in plain WebAssembly', path: quantised, options: { native: 'off', simd: 'plain' } },
  { name: 'int8 cache in WebAssembly', path: quantised, options: { native: 'off', kv: 'int8' } },
] as const)('answers a prompt bit for bit the same whatever is known of it: $name', async ({ name, path, options }) => {
  const settings: EngineOptions = { ...options, threads: 2, sequences: 2 };
  const model = await path();
  await using engine = await startEngine(model, settings);
  const system = text(1, 300);
  const prompts = [3, 40, 130, 7].map((length, i) => [...system, ...text(i + 2, length)]);
  const fresh: TokenEvent[][] = [];
  for (const prompt of prompts) {
    await using other = await startEngine(model, { ...settings, chunk: 96 });
    fresh.push((await exactly(other, prompt)).tokens);
  }
  let known = 0;
  for (const round of [0, 1]) {
    for (const [i, prompt] of prompts.entries()) {
      const { tokens, cached } = await exactly(engine, prompt);
      expect({ round, i, tokens }).toEqual({ round, i, tokens: fresh[i] });
      known += cached;
    }
  }
  expect(known).toBeGreaterThan(name === 'recurrent' ? 800 : 1500);
});

it('goes on after an answer with the same bits as without it, over quantised weights', async () => {
  const model = await quantised();
  await using engine = await startEngine(model, { threads: 2 });
  await using fresh = await startEngine(model, { threads: 2 });
  const prompt = text(1, 150);
  const first = await exactly(engine, prompt);
  const next = [...prompt, ...first.tokens.map(({ id }) => id), ...text(2, 9)];
  const second = await exactly(engine, next);
  expect(second.cached).toBe(150 + first.tokens.length - 1);
  expect(second.tokens).toEqual((await exactly(fresh, next)).tokens);
});

it('finds prefixes on disk after a restart, and computes what is damaged there', async () => {
  const model = await quantised();
  const spill = { folder: join(folder, 'spill'), bytes: 1 << 30 };
  const prompt = text(1, 400);
  const expected: TokenEvent[][] = [];
  for (const _ of [0, 1]) {
    await using engine = await startEngine(model, { threads: 2, spill });
    // Asked for twice, its pages are worth keeping.
    expected.push((await exactly(engine, prompt)).tokens, (await exactly(engine, prompt)).tokens);
    expect(engine.status().pages.spilled).toBe(expected.length === 2 ? 0 : 3);
  }
  const cachedBy = async (options: EngineOptions, path = model) => {
    await using engine = await startEngine(path, { threads: 2, spill, ...options });
    const { tokens, cached } = await exactly(engine, prompt);
    if (path === model && !options.kv) expect(tokens).toEqual(expected[0]);
    return cached;
  };
  expect(await cachedBy({})).toBe(384);
  expect(await cachedBy({ kv: 'f32' })).toBe(0);
  expect(await cachedBy({}, fixture('qwen3-tied-headdim'))).toBe(0);
  const files = readdirSync(spill.folder).map((name) => join(spill.folder, name));
  expect(files).toHaveLength(3);
  for (const [i, file] of files.entries()) {
    const bytes = readFileSync(file);
    bytes[bytes.length - 50 - i] ^= 4;
    writeFileSync(file, bytes);
  }
  expect(await cachedBy({})).toBe(0);
  await cachedBy({});
  for (const name of readdirSync(spill.folder)) truncateSync(join(spill.folder, name), 1000);
  expect(await cachedBy({})).toBe(0);
});

it('does without a disk that takes nothing', async () => {
  const path = join(folder, 'occupied');
  writeFileSync(path, '');
  await using engine = await startEngine(await quantised(), { threads: 1, spill: { folder: path, bytes: 1 << 30 } });
  expect(engine.info.notices.join()).toMatch(/No more pages of the cache are written/);
  expect((await exactly(engine, text(1, 200))).tokens).toHaveLength(12);
});

it('refuses tokens that the model or the context does not have', async () => {
  await using engine = await startEngine(fixture('qwen2-tied-gqa'), { context: 64 });
  await expect(answer(engine, [1, 320])).rejects.toMatchObject({ code: 'bad_input' });
  await expect(answer(engine, text(1, 64))).rejects.toMatchObject({ code: 'context_overflow' });
  await expect(engine.logits(text(1, 65))).rejects.toMatchObject({ code: 'context_overflow' });
  expect((await answer(engine, text(1, 60))).done).toMatchObject({ reason: 'length', stats: { completionTokens: 5 } });
  await engine.close();
  await expect(answer(engine, [1])).rejects.toMatchObject({ code: 'closed' });
});
