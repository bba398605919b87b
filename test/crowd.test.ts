/** Answers that are computed together are the same, bit for bit, as each by itself. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { convert } from '../src/formats/convert.js';
import type {
  DoneEvent,
  Engine,
  EngineOptions,
  GenerateRequest,
  SamplingParams,
  TokenEvent,
} from '../src/generate/engine.js';
import { startEngine } from '../src/generate/engine-client.js';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};
const SAMPLED: SamplingParams = { ...GREEDY, temperature: 1.5, topP: 0.95, seed: 7 };

const text = (seed: number, length: number) => Array.from({ length }, (_, i) => (i * i * 31 + seed * 17 + 3) % 320);

function ask(tokens: readonly number[], maxTokens: number, sampling = GREEDY): GenerateRequest {
  // Log-probabilities sum over all logits: in them a single bit shows.
  return { tokens, maxTokens, stopTokens: [], logprobs: 3, detectRepetition: false, sampling };
}

/** Prompts and answers of different lengths: some are still read while others answer, or have ended. */
const crowd = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    ask(text(i, 3 + ((i * 37) % 90)), Math.max(12, 40 - 2 * i), i % 2 ? SAMPLED : GREEDY),
  );

interface Answer {
  tokens: TokenEvent[];
  done: DoneEvent;
}

async function answer(engine: Engine, request: GenerateRequest, signal?: AbortSignal): Promise<Answer> {
  const tokens: TokenEvent[] = [];
  for await (const event of engine.generate(request, signal)) {
    if (event.type === 'done') return { tokens, done: event };
    tokens.push(event);
  }
  throw new Error('no done event');
}

async function expectSame(path: string, sequences: number, options: EngineOptions): Promise<void> {
  const requests = crowd(sequences);
  await using single = await startEngine(path, options);
  await using engine = await startEngine(path, { ...options, sequences });
  const alone: TokenEvent[][] = [];
  for (const request of requests) alone.push((await answer(single, request)).tokens);
  const together = await Promise.all(requests.map((request) => answer(engine, request)));
  expect(together.map(({ tokens }) => tokens)).toEqual(alone);
}

it.each(readdirSync(file('fixtures/logits')))('%s answers four at once as one after the other', async (name) => {
  await expectSame(file(`fixtures/logits/${name}`), 4, { threads: 2, chunk: 16, arenaBytes: 1_500_000 });
});

it.each([
  { type: 'q8_0', simd: 'relaxed' },
  { type: 'q8_0', simd: 'plain' },
  { type: 'q4_0', simd: 'relaxed' },
  { type: 'q4_k_m', simd: 'relaxed' },
  { type: 'f16', simd: 'relaxed' },
] as const)(
  'the glossary model answers sixteen at once as one after the other: $type, $simd SIMD',
  async ({ type, simd }) => {
    const path = join(folder, `${type}.gguf`);
    await convert(file('../models/glossary'), path, { type, force: true });
    await expectSame(path, 16, { threads: 2, chunk: 16, simd });
  },
);

// Float weights: machine code packs them for many rows, but not where each is an answer's next token.
it.each(['qwen3-tied-headdim', 'qwen3.5-hybrid'])('%s answers fifty at once as one after the other', async (name) => {
  await expectSame(file(`fixtures/logits/${name}`), 50, { threads: 2, chunk: 64 });
});

it('the glossary model answers eighty at once in little memory as one after the other', async () => {
  const path = file('../models/glossary');
  const requests = Array.from({ length: 80 }, (_, i) => ({
    ...ask(text(i, 3 + ((i * 37) % 200)), 20 + ((i * 13) % 60), i % 2 ? SAMPLED : GREEDY),
    group: `${i % 3}`,
  }));
  await using single = await startEngine(path, { threads: 2, context: 512 });
  const cacheBytes = 3 * single.info.cacheBytes;
  await using engine = await startEngine(path, { threads: 2, context: 512, sequences: 80, cacheBytes });
  const together = await Promise.all(requests.map((request) => answer(engine, request)));
  await expect.poll(() => engine.status().running + engine.status().waiting).toBe(0);
  expect(engine.status().preemptions).toBeGreaterThan(0);
  expect(engine.status().pages.used).toBe(0);
  for (const [i, request] of requests.entries())
    expect(together[i].tokens).toEqual((await answer(single, request)).tokens);
});

describe('several sequences', () => {
  const path = file('fixtures/logits/qwen3.5-hybrid');

  it('advance together, the others waiting in the order they came', async () => {
    await using engine = await startEngine(path, { threads: 1, sequences: 2 });
    const order: string[] = [];
    const follow = async (name: string, request: GenerateRequest) => {
      for await (const { type } of engine.generate(request)) order.push(type === 'done' ? name.toUpperCase() : name);
    };
    await Promise.all(['a', 'b', 'c', 'd'].map((name, i) => follow(name, ask(text(i, 20), 30))));
    const line = order.join('');
    expect(line).toMatch(/(ba|ab){5}/);
    expect(line.indexOf('c')).toBeGreaterThan(line.indexOf('A'));
    expect(line.indexOf('d')).toBeGreaterThan(line.indexOf('B'));
  });

  it('go on while another reads its prompt, and do not keep it from reading', async () => {
    await using engine = await startEngine(path, { threads: 1, sequences: 2, chunk: 16 });
    const prompt = text(2, 160);
    let before = 0;
    let first: number | undefined;
    await Promise.all([
      (async () => {
        for await (const { type } of engine.generate(ask(text(1, 10), 300))) if (type === 'token') before++;
      })(),
      (async () => {
        for await (const _ of engine.generate(ask(prompt, 3))) first ??= before;
      })(),
    ]);
    expect(first).toBeGreaterThanOrEqual(prompt.length / 16 - 1);
    expect(first).toBeLessThan(before);
  });

  it('are not disturbed when a neighbour is cancelled, fails or never starts', async () => {
    await using engine = await startEngine(path, { threads: 2, sequences: 2 });
    const expected = await answer(engine, ask(text(1, 30), 60));
    const leaver = new AbortController();
    const [stays, leaves, waits, bad] = await Promise.all([
      answer(engine, ask(text(1, 30), 60)),
      (async () => {
        let count = 0;
        for await (const event of engine.generate(ask(text(2, 30), 400), leaver.signal)) {
          if (event.type === 'done') return { reason: event.reason, count };
          if (++count === 5) leaver.abort();
        }
      })(),
      answer(engine, ask(text(3, 30), 60), AbortSignal.abort()),
      answer(engine, ask(text(4, 30), 60, { ...GREEDY, topP: 7 })).catch((error) => error),
    ]);
    expect(stays.tokens).toEqual(expected.tokens);
    expect(leaves!.reason).toBe('aborted');
    expect(leaves!.count).toBeLessThan(60);
    expect(waits).toMatchObject({ tokens: [], done: { reason: 'aborted' } });
    expect(bad).toMatchObject({ code: 'bad_input' });
  });

  it('keep their conversations, and compute scores beside answers', async () => {
    await using engine = await startEngine(path, { threads: 2, sequences: 3 });
    await using fresh = await startEngine(path, { threads: 2 });
    const first = [text(1, 160), text(2, 150)];
    await Promise.all(first.map((tokens) => answer(engine, ask(tokens, 10))));
    const [one, two, scores] = await Promise.all([
      answer(engine, ask([...first[1], ...text(3, 20)], 10)),
      answer(engine, ask([...first[0], ...text(4, 20)], 10)),
      engine.score(text(5, 40)),
    ]);
    expect(one.done.stats.cachedTokens).toBe(112);
    expect(two.done.stats.cachedTokens).toBe(112);
    expect(scores).toEqual(await fresh.score(text(5, 40)));
  });

  it('leave what they know to endings of the same beginning that are scored', async () => {
    await using engine = await startEngine(path, { threads: 2, sequences: 2 });
    const begin = text(6, 60);
    for (const end of [text(7, 1), text(8, 3), text(7, 1)]) {
      const whole = await engine.score([...begin, ...end]);
      const ending = await engine.score([...begin, ...end], undefined, undefined, begin.length);
      expect(ending).toHaveLength(end.length);
      for (const [i, logprob] of ending.entries()) expect(logprob).toBeCloseTo(whole[begin.length - 1 + i], 4);
    }
  });

  it('are timed, and refused where there are none', async () => {
    await using engine = await startEngine(path, { threads: 2, sequences: 3, context: 64 });
    expect(engine.info.sequences).toBe(3);
    const { prefillMs, decodeMs } = await engine.bench(40, 4, 2, 3);
    expect([prefillMs.length, decodeMs.length]).toEqual([2, 2]);
    await expect(engine.bench(40, 4, 2, 4)).rejects.toMatchObject({ code: 'usage' });
    await expect(startEngine(path, { sequences: 257 })).rejects.toMatchObject({ code: 'usage' });
    await using fitting = await startEngine(path, { sequences: 'fitting', context: 64 });
    expect(fitting.info.sequences).toBe(64);
  });
});
