/** What the engine remembers between requests saves work and never changes an answer. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { DoneEvent, Engine, GenerateRequest } from '../src/generate/engine.js';
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
    const request = { ...GREEDY, tokens: text(2, 30), maxTokens: 400 };
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

it('refuses tokens that the model or the context does not have', async () => {
  await using engine = await startEngine(fixture('qwen2-tied-gqa'), { context: 64 });
  await expect(answer(engine, [1, 320])).rejects.toMatchObject({ code: 'bad_input' });
  await expect(answer(engine, text(1, 64))).rejects.toMatchObject({ code: 'context_overflow' });
  await expect(engine.logits(text(1, 65))).rejects.toMatchObject({ code: 'context_overflow' });
  expect((await answer(engine, text(1, 60))).done).toMatchObject({ reason: 'length', stats: { completionTokens: 5 } });
  await engine.close();
  await expect(answer(engine, [1])).rejects.toMatchObject({ code: 'closed' });
});
