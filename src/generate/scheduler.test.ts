/** Who is computed when, over known logits: memory that is short, groups, deadlines, chunks between steps. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type FakeOptions, fakeModel } from '../../test/fake-model.js';
import { KV_PAGE } from '../tensor/ops/kv-constants.js';
import type { DoneEvent, GenerateRequest, TokenEvent } from './engine.js';
import { Session } from './session.js';

const never = new AbortController().signal;
const REQUEST: Omit<GenerateRequest, 'tokens'> = {
  maxTokens: 30,
  stopTokens: [],
  detectRepetition: true,
  sampling: {
    temperature: 1.2,
    topK: 0,
    topP: 0.95,
    minP: 0,
    repetitionPenalty: 1.1,
    presencePenalty: 0.1,
    frequencyPenalty: 0.1,
    seed: 3,
  },
};

/** Logits that follow from the last three tokens and the length. */
const OPTIONS: FakeOptions = {
  vocabSize: 7,
  logits: (history) =>
    Array.from(
      { length: 7 },
      (_, id) => 3 * Math.sin(history.slice(-3).reduce((a, b) => 3 * a + b, history.length) + 9 * id),
    ),
};

const text = (seed: number, length: number) => Array.from({ length }, (_, i) => (i * i * 5 + seed) % 7);

async function answer(session: Session, request: Partial<GenerateRequest> & { tokens: number[] }, signal = never) {
  const tokens: TokenEvent[] = [];
  let done: DoneEvent | undefined;
  await session.generate({ ...REQUEST, ...request }, signal, (event) => {
    if (event.type === 'done') done = event;
    else tokens.push(event);
  });
  return { tokens, reason: done!.reason, stats: done!.stats };
}

it('answers token for token the same where memory is short', async () => {
  let preemptions = 0;
  const request = fc.record({
    tokens: fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 2 * KV_PAGE })).map(([seed, length]) => text(seed, length)),
    maxTokens: fc.integer({ min: 1, max: 2 * KV_PAGE }),
    stopTokens: fc.constantFrom([], [], [6]),
    detectRepetition: fc.constantFrom(true, false),
    logprobs: fc.constantFrom(undefined, 2),
    group: fc.constantFrom('a', 'b', undefined),
  });
  const several = fc.array(request, { minLength: 3, maxLength: 8 });
  const property = fc.asyncProperty(several, fc.boolean(), async (requests, drafts) => {
    const options = { ...OPTIONS, context: 4 * KV_PAGE, sequences: 6 };
    const expected: Awaited<ReturnType<typeof answer>>[] = [];
    for (const one of requests) expected.push(await answer(new Session(fakeModel(options), false), one));
    // Room for one at its longest, and little more.
    const session = new Session(fakeModel({ ...options, pages: 5 }), drafts && 'always');
    const ours = await Promise.all(requests.map((one) => answer(session, one)));
    ours.forEach(({ tokens, reason }, i) => {
      expect({ tokens, reason }).toEqual({ tokens: expected[i].tokens, reason: expected[i].reason });
    });
    const { waiting, running, pages, ...counts } = session.status;
    expect([waiting, running, pages.used]).toEqual([0, 0, 0]);
    expect(counts.completionTokens).toBe(ours.reduce((sum, { tokens }) => sum + tokens.length, 0));
    preemptions += counts.preemptions;
  });
  await fc.assert(property, { numRuns: 40 });
  expect(preemptions).toBeGreaterThan(10);
});

it('does not let a group with many requests keep another from its turn', async () => {
  const session = new Session(fakeModel({ ...OPTIONS, sequences: 4 }), false);
  const order: string[] = [];
  const ask = (group: string, i: number) =>
    answer(session, { tokens: text(i, 40), maxTokens: 60, group }).then(() => order.push(group));
  const many = Array.from({ length: 20 }, (_, i) => ask('many', i));
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([...many, ask('single', 3)]);
  // It may have to wait for those that were under way, but for nobody behind them.
  expect(order.indexOf('single')).toBeLessThanOrEqual(4);
});

it('reads no more than one chunk between the steps of answers that decode', async () => {
  const steps: number[] = [];
  const session = new Session(fakeModel({ ...OPTIONS, sequences: 8, onStep: (rows) => steps.push(rows) }), false);
  const prompts = [1, 2, 3, 4].map((seed) => ({ tokens: text(seed, 200), maxTokens: 20, group: `${seed}` }));
  const first = answer(session, { tokens: [1], maxTokens: 60 });
  await Promise.all([first, ...prompts.map((one) => answer(session, one))]);
  const chunks = steps.map((rows) => (rows > 8 ? 'c' : 's')).join('');
  expect(chunks.split('c').length - 1).toBeGreaterThanOrEqual(4 * Math.floor(200 / 32));
  expect(chunks).not.toMatch(/cc/);
});

it('ends answers at their deadline, whether they have begun or wait', async () => {
  const session = new Session(fakeModel({ ...OPTIONS, sequences: 1, context: 100_000 }), false);
  const endless = { tokens: [1], maxTokens: 90_000, detectRepetition: false };
  const [begun, waits] = await Promise.all([
    answer(session, { ...endless, timeoutMs: 60 }),
    answer(session, { ...endless, timeoutMs: 20 }),
  ]);
  expect(begun.reason).toBe('timeout');
  expect(begun.tokens.length).toBeGreaterThan(0);
  expect(waits).toMatchObject({ tokens: [], reason: 'timeout', stats: { completionTokens: 0 } });
  expect((await answer(session, { tokens: [2, 3], maxTokens: 5 })).tokens).toHaveLength(5);
});

it('computes the beginning that simultaneous requests share once', async () => {
  const session = new Session(fakeModel({ ...OPTIONS, context: 8 * KV_PAGE, sequences: 8 }), false);
  const shared = text(1, 4 * KV_PAGE);
  const answers = await Promise.all(
    [0, 1, 2, 3].map((seed) => answer(session, { tokens: [...shared, seed], maxTokens: 2 })),
  );
  expect(answers[0].stats.cachedTokens).toBe(0);
  for (const { stats } of answers.slice(1)) expect(stats.cachedTokens).toBeGreaterThanOrEqual(3 * KV_PAGE);
});

it('breaks off everything when a step fails, and tells who holds it', async () => {
  let harm = false;
  const onStep = () => {
    if (harm) throw new Error('sabotage');
  };
  const causes: unknown[] = [];
  const hooks = { broken: (cause: unknown) => causes.push(cause) };
  const session = new Session(fakeModel({ ...OPTIONS, sequences: 2, onStep }), false, undefined, hooks);
  const asked = [0, 1, 2].map((i) => answer(session, { tokens: text(i, 40) }));
  harm = true;
  const failed = { status: 'rejected', reason: { code: 'engine_failed' } };
  expect(await Promise.allSettled(asked)).toMatchObject([failed, failed, failed]);
  expect(causes).toMatchObject([{ message: 'sabotage' }]);
  await expect(answer(session, { tokens: [1] })).rejects.toMatchObject({ code: 'engine_failed' });
});
