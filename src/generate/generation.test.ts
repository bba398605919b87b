/** Generation from known logits: what drafting may change (the number of steps) and what not (anything else). */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type FakeOptions, fakeModel } from '../../test/fake-model.js';
import type { DoneEvent, GenerateRequest, TokenEvent } from './engine.js';
import { Session } from './session.js';

const GREEDY: GenerateRequest['sampling'] = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

type Request = Pick<GenerateRequest, 'tokens'> & Partial<GenerateRequest>;

/** All answers, computed together. */
async function answers(options: FakeOptions, speculate: boolean | 'always', requests: readonly Request[]) {
  const session = new Session(fakeModel({ sequences: requests.length, ...options }), speculate);
  return Promise.all(
    requests.map(async (request) => {
      const tokens: TokenEvent[] = [];
      let done: DoneEvent | undefined;
      const rest = { maxTokens: 30, stopTokens: [], sampling: GREEDY, detectRepetition: false };
      await session.generate({ ...rest, ...request }, new AbortController().signal, (event) => {
        if (event.type === 'done') done = event;
        else tokens.push(event);
      });
      return { tokens, ids: tokens.map(({ id }) => id), reason: done!.reason, speculation: done!.stats.speculation };
    }),
  );
}

/** Logits that follow from the last two tokens, spread by `sharpness`. */
function habits(vocabSize: number, seed: number, sharpness: number): FakeOptions {
  const logits = (history: readonly number[]) => {
    const [a, b] = [history.at(-1) ?? 0, history.at(-2) ?? 0];
    return Array.from({ length: vocabSize }, (_, id) => sharpness * Math.sin(seed + 3.7 * a + 1.3 * b + 9.1 * id));
  };
  return { vocabSize, logits };
}

describe('drafting', () => {
  it('changes no token, log-probability or reason to end', async () => {
    const chance = fc.double({ min: 0, max: 1, noNaN: true });
    const sampling = fc.record({
      temperature: fc.constantFrom(0, 0.5, 1.5),
      topK: fc.constantFrom(0, 3),
      topP: fc.oneof(fc.constant(1), chance),
      minP: fc.constantFrom(0, 0.1),
      repetitionPenalty: fc.constantFrom(1, 1.3),
      presencePenalty: fc.constantFrom(0, 0.4),
      frequencyPenalty: fc.constantFrom(0, 0.2),
      seed: fc.nat(1000),
      logitBias: fc.constantFrom(undefined, { 1: 2 }),
    });
    const request = fc.record({
      tokens: fc.array(fc.nat(4), { minLength: 1, maxLength: 40 }),
      maxTokens: fc.integer({ min: 0, max: 60 }),
      stopTokens: fc.constantFrom([], [4]),
      sampling,
      logprobs: fc.constantFrom(undefined, 2),
      detectRepetition: fc.constant(true),
    });
    let drafted = 0;
    let accepted = 0;
    const property = fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 4 }),
      fc.nat(1000),
      fc.constantFrom(0.5, 2, 6),
      fc.integer({ min: 41, max: 90 }),
      async (requests, seed, sharpness, context) => {
        const options = { ...habits(5, seed, sharpness), context };
        const plain = await answers(options, false, requests);
        for (const mode of ['always', true] as const) {
          const ours = await answers(options, mode, requests);
          ours.forEach(({ tokens, reason, speculation }, i) => {
            expect({ tokens, reason }).toEqual({ tokens: plain[i].tokens, reason: plain[i].reason });
            expect(speculation.accepted).toBeLessThanOrEqual(speculation.drafted);
            drafted += speculation.drafted;
            accepted += speculation.accepted;
          });
        }
        expect(plain.every(({ speculation }) => speculation.drafted === 0)).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 60 });
    expect(accepted).toBeGreaterThan(100);
    expect(drafted - accepted).toBeGreaterThan(100);
  });

  it('stops endless repetition at the same token', async () => {
    const options: FakeOptions = {
      vocabSize: 4,
      logits: (h) => [0, 1, 2, 3].map((id) => Number(id === (h.at(-1)! + 1) % 4)),
    };
    const request = { tokens: [0, 1], maxTokens: 500, detectRepetition: true };
    const [plain] = await answers({ ...options, context: 1000 }, false, [request]);
    const [ours] = await answers({ ...options, context: 1000 }, 'always', [request]);
    expect(plain.reason).toBe('repetition');
    expect([ours.ids, ours.reason]).toEqual([plain.ids, plain.reason]);
    expect(ours.speculation.accepted).toBeGreaterThan(200);
  });

  it('draws from the same distribution', async () => {
    // Three tokens, each with its own chances of what comes next: what three draws yield is known.
    const chances = [
      [0.2, 0.5, 0.3],
      [0.6, 0.1, 0.3],
      [0.25, 0.35, 0.4],
    ];
    const options: FakeOptions = { vocabSize: 3, logits: (history) => chances[history.at(-1)!].map(Math.log) };
    const counts = new Map<string, number>();
    const spoken = { drafted: 0, accepted: 0 };
    const seeds = 4000;
    for (let seed = 0; seed < seeds; seed++) {
      const request = {
        tokens: [0, 1, 2, 0, 1, 2, 0, 1, 2],
        maxTokens: 4,
        sampling: { ...GREEDY, temperature: 1, seed },
      };
      const [{ ids, speculation }] = await answers(options, 'always', [request]);
      // The first comes with the prompt; the others were drafted wherever a draft was to be had.
      const key = ids.join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
      spoken.drafted += speculation.drafted;
      spoken.accepted += speculation.accepted;
    }
    let chi2 = 0;
    for (let code = 0; code < 81; code++) {
      const ids = [27, 9, 3, 1].map((unit) => Math.floor(code / unit) % 3);
      let probability = 1;
      ids.forEach((id, i) => {
        probability *= chances[i === 0 ? 2 : ids[i - 1]][id];
      });
      chi2 += ((counts.get(ids.join()) ?? 0) - seeds * probability) ** 2 / (seeds * probability);
    }
    expect(chi2).toBeLessThan(124.8); // 80 degrees of freedom, p = 0.001
    expect(spoken.accepted).toBeGreaterThan(seeds / 4);
    expect(spoken.drafted - spoken.accepted).toBeGreaterThan(seeds / 4);
  });
});

describe('a draft is computed where it pays', () => {
  afterEach(() => vi.restoreAllMocks());

  /** The rows of each step, and what the clock says in the end, where a step of r rows takes ms(r). */
  async function timed(options: FakeOptions, ms: (rows: number) => number, requests: readonly Request[]) {
    const steps: number[] = [];
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const onStep = (rows: number) => {
      steps.push(rows);
      now += ms(rows);
    };
    const results = await answers({ context: 2000, ...options, onStep }, true, requests);
    return { steps, ms: now, results };
  }

  const circle: FakeOptions = {
    vocabSize: 50,
    logits: (history) => Array.from({ length: 50 }, (_, id) => Number(id === (history.at(-1)! + 1) % 50)),
  };
  const request = { tokens: Array.from({ length: 60 }, (_, i) => i % 50), maxTokens: 400 };

  it('takes few steps where rows cost little', async () => {
    const { steps, results } = await timed(circle, () => 10, [request]);
    expect(results[0].ids.length).toBe(400);
    expect(steps.length).toBeLessThan(50);
  });

  it('keeps to what a tile holds', async () => {
    const { steps } = await timed(circle, (rows) => 10 + 10 * Math.floor((rows - 1) / 4), [request]);
    expect(steps.filter((rows) => rows === 4).length).toBeGreaterThan(steps.length / 2);
  });

  it('loses little where every row costs as much as the first', async () => {
    const { ms, results } = await timed(circle, (rows) => 10 * rows, [request]);
    expect(results[0].ids.length).toBe(400);
    expect(ms).toBeLessThan(1.03 * (60 * 10 + 400 * 10));
  });

  it('loses little where no proposal comes true', async () => {
    // Pairs come again, what follows them never does.
    const liar: FakeOptions = {
      vocabSize: 50,
      logits: (history) => Array.from({ length: 50 }, (_, id) => Math.sin(history.length * (id + 1) * 7.7)),
    };
    const { ms, results } = await timed(liar, (rows) => 10 + rows, [{ ...request, tokens: new Array(60).fill(7) }]);
    expect(ms).toBeLessThan(1.1 * (70 + 400 * 11));
    expect(results[0].ids.length).toBe(400);
  });

  it('shares a step among several answers', async () => {
    const { steps, results } = await timed(circle, (rows) => 10 + rows / 10, [request, request, request]);
    // Apart from the prompts, which are computed in chunks of 32.
    expect(Math.max(...steps.filter((rows) => rows < 28))).toBe(16);
    expect(steps.length).toBeLessThan(150);
    for (const { ids } of results) expect(ids).toEqual(results[0].ids);
  });
});
