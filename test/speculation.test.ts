/** With real models: drafts that are verified in one step leave every answer as it would be without them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, GenerateRequest } from '../src/generate/engine.js';
import { startEngine } from '../src/generate/engine-client.js';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const { greedy: questions } = JSON.parse(readFileSync(path('fixtures/glossary/expected.json'), 'utf8')) as {
  greedy: { prompt_ids: number[]; answer_ids: number[] }[];
};

const GREEDY: GenerateRequest['sampling'] = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

async function answer(engine: Engine, tokens: readonly number[], sampling: Partial<GenerateRequest['sampling']> = {}) {
  const request = {
    tokens,
    maxTokens: 60,
    stopTokens: [],
    sampling: { ...GREEDY, ...sampling },
    detectRepetition: true,
  };
  const ids: number[] = [];
  for await (const event of engine.generate({ ...request, logprobs: 0 })) {
    if (event.type === 'done') return { ids, reason: event.reason, speculation: event.stats.speculation };
    ids.push(event.id);
  }
  throw new Error('no done event');
}

/** A question that has been asked and answered before, once or more. */
const prompts = questions.slice(0, 5).map(({ prompt_ids, answer_ids }, i) => {
  const turn = [...prompt_ids, ...answer_ids];
  const other = questions[questions.length - 1 - i];
  return [...turn, ...other.prompt_ids, ...other.answer_ids, ...turn, ...prompt_ids];
});

describe('the glossary model', () => {
  let drafting: Engine;
  let plain: Engine;
  beforeAll(async () => {
    drafting = await startEngine(path('../models/glossary'), { speculate: 'always', threads: 2 });
    plain = await startEngine(path('../models/glossary'), { speculate: false, threads: 1 });
  });
  afterAll(() => Promise.all([drafting.close(), plain.close()]));

  it.each<[string, Partial<GenerateRequest['sampling']>]>([
    ['greedy', {}],
    ['greedy with penalties and bias', { repetitionPenalty: 1.1, frequencyPenalty: 0.2, logitBias: { 7: 1.5 } }],
    ['sampled', { temperature: 0.9, topK: 40, topP: 0.95, seed: 5 }],
    ['sampled from everything', { temperature: 0.6, minP: 0.01, seed: 6 }],
  ])('says the same with drafts and without: %s', async (_name, sampling) => {
    const sum = { steps: 0, drafted: 0, accepted: 0 };
    for (const prompt of prompts) {
      const ours = await answer(drafting, prompt, sampling);
      const expected = await answer(plain, prompt, sampling);
      expect(expected.speculation).toEqual({ steps: 0, drafted: 0, accepted: 0 });
      expect([ours.ids, ours.reason]).toEqual([expected.ids, expected.reason]);
      for (const key of ['steps', 'drafted', 'accepted'] as const) sum[key] += ours.speculation[key];
    }
    expect(sum.accepted).toBeGreaterThan(20);
    expect(sum.drafted).toBeGreaterThan(sum.accepted);
  });
});

describe('what drafts rely on', () => {
  it.each(readdirSync(path('fixtures/logits')))('%s computes a token the same beside up to 15 others', async (name) => {
    await using engine = await startEngine(path(`fixtures/logits/${name}`), { threads: 2, context: 128 });
    const tokens = Array.from({ length: 70 }, (_, i) => (i * i * 31 + 20) % 320);
    const alone = await engine.logits(tokens, { chunk: 1 });
    for (const chunk of [2, 5, 16]) {
      const together = await engine.logits(tokens, { chunk });
      expect(together.findIndex((value, i) => value !== alone[i])).toBe(-1);
    }
  });
});

it('does not draft for a model with recurrent layers', async () => {
  await using engine = await startEngine(path('fixtures/logits/qwen3.5-hybrid'), { speculate: 'always' });
  const tokens = Array.from({ length: 40 }, (_, i) => 20 + (i % 5));
  expect((await answer(engine, tokens)).speculation.drafted).toBe(0);
});
