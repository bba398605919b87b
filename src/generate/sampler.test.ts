import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SamplingParams } from './engine.js';
import { argmax, Candidates, type FilterParams, largest } from './filters.js';
import { Random } from './random.js';
import { Sampler } from './sampler.js';

const off: SamplingParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 1,
};

/** The definitions, word for word: sort everything, softmax everything. */
function slowly(logits: Float32Array, { temperature, topK, topP, minP }: FilterParams): number[] {
  let tokens = Array.from(logits, (logit, id) => ({ id, logit }));
  tokens.sort((a, b) => b.logit - a.logit || a.id - b.id);
  if (topK > 0) tokens = tokens.slice(0, topK);
  const weights = tokens.map(({ logit }) => Math.exp((logit - tokens[0].logit) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let before = 0;
  const kept: number[] = [];
  tokens.forEach(({ id }, i) => {
    if ((i === 0 || topP === 1 || before / total < topP) && weights[i] >= minP) kept.push(id);
    before += weights[i];
  });
  return kept.sort((a, b) => a - b);
}

function select(logits: Float32Array, params: FilterParams): number[] {
  const candidates = new Candidates(logits.length, params);
  candidates.select(logits, params);
  return [...candidates.ids.subarray(0, candidates.size)].sort((a, b) => a - b);
}

const logitsArbitrary = fc.oneof(
  fc.array(fc.double({ min: -12, max: 12, noNaN: true }), { minLength: 1, maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 100 }), // many ties
);

describe('filters', () => {
  it('keep what the definitions keep', () => {
    fc.assert(
      fc.property(
        logitsArbitrary,
        fc.record({
          temperature: fc.double({ min: 0.7, max: 3, noNaN: true }),
          topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 320 })),
          topP: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
          minP: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
        }),
        (values, params) => {
          const logits = Float32Array.from(values);
          // Sums in another order round differently: on a knife's edge either side is right.
          const around = [-1e-9, 0, 1e-9].map((shift) =>
            JSON.stringify(slowly(logits, { ...params, topP: params.topP === 1 ? 1 : params.topP + shift })),
          );
          expect(around).toContain(JSON.stringify(select(logits, params)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('keep one token in the extremes', () => {
    const logits = Float32Array.of(1, 3, 3, 2);
    expect(select(logits, { ...off, topP: 0 })).toEqual([1]);
    expect(select(logits, { ...off, topK: 1 })).toEqual([1]);
    expect(select(logits, { ...off, minP: 1 })).toEqual([1, 2]);
    expect(select(logits, { ...off, temperature: Number.MIN_VALUE })).toEqual([1, 2]);
    expect(select(Float32Array.of(Number.NEGATIVE_INFINITY, 0), off)).toEqual([1]);
  });

  it('find the k largest, the lowest ids of equals', () => {
    fc.assert(
      fc.property(logitsArbitrary, fc.nat(320), (values, k) => {
        const logits = Float32Array.from(values);
        const ids = new Int32Array(k);
        const found = largest(logits, k, ids);
        const expected = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b).slice(0, k);
        expect([...ids.subarray(0, found)].sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      }),
    );
  });
});

describe('Sampler', () => {
  it('is greedy at temperature 0, with the lowest id on ties', () => {
    expect(new Sampler({ ...off, temperature: 0 }, 4).next(Float32Array.of(0, 2, 2, 1))).toEqual({ id: 1 });
  });

  it('draws each token as often as its probability says', () => {
    const logits = Float32Array.of(0, 1, 2, -1, 0.5);
    const temperature = 0.8;
    const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
    const total = weights.reduce((a, b) => a + b, 0);
    const sampler = new Sampler({ ...off, temperature, seed: 7 }, logits.length);
    const counts = new Array<number>(logits.length).fill(0);
    const draws = 20_000;
    for (let i = 0; i < draws; i++) counts[sampler.next(logits).id]++;
    let chi2 = 0;
    counts.forEach((count, i) => {
      const expected = (draws * weights[i]) / total;
      chi2 += (count - expected) ** 2 / expected;
    });
    expect(chi2).toBeLessThan(18.5); // 4 degrees of freedom, p = 0.001
  });

  it('repeats itself with the same seed, and not with another', () => {
    const logits = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const run = (seed: number) => {
      const sampler = new Sampler({ ...off, topK: 100, topP: 0.95, seed }, logits.length);
      return Array.from({ length: 20 }, () => sampler.next(logits).id);
    };
    expect(run(42)).toEqual(run(42));
    expect(run(42)).not.toEqual(run(43));
    expect(run(42)).not.toEqual(run(42 + 2 ** 40));
  });

  it('adds the bias and divides or multiplies by the repetition penalty, prompt included', () => {
    const sampler = new Sampler({ ...off, temperature: 0, repetitionPenalty: 2, logitBias: { 2: -9 } }, 4, [0, 3, 3]);
    const logits = Float32Array.of(4, 3, 8, -1);
    expect(sampler.next(logits).id).toBe(1);
    expect([...logits]).toEqual([2, 3, -1, -2]);
    const next = Float32Array.of(4, 3, 8, -1);
    expect(sampler.next(next).id).toBe(0);
    expect([...next]).toEqual([2, 1.5, -1, -2]);
  });

  it('subtracts presence once and frequency for each occurrence, of the answer alone', () => {
    const sampler = new Sampler({ ...off, temperature: 0, presencePenalty: 0.5, frequencyPenalty: 0.25 }, 3, [1, 1]);
    const drawn: number[] = [];
    let logits = new Float32Array();
    for (let i = 0; i < 4; i++) {
      logits = Float32Array.of(3, 2, 0);
      drawn.push(sampler.next(logits).id);
    }
    // Token 0 falls to 2.25, then to 2 (a tie that the lowest id wins), then to 1.75.
    expect(drawn).toEqual([0, 0, 0, 1]);
    expect([...logits]).toEqual([1.75, 2, 0]);
  });

  it('reports log-probabilities of the model, before bias, temperature and filters', () => {
    const logits = Float32Array.of(1, 2, 3);
    const norm = Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3));
    const sampler = new Sampler({ ...off, temperature: 0, logitBias: { 0: 100 } }, 3);
    const { id, logprob, top } = sampler.next(logits, 2);
    expect(id).toBe(0);
    expect(logprob).toBeCloseTo(1 - norm, 6);
    expect(top?.map((entry) => entry.id)).toEqual([2, 1]);
    expect(top?.[0].logprob).toBeCloseTo(3 - norm, 6);
    expect(new Sampler(off, 3).next(Float32Array.of(1, 2, 3), 0).top).toEqual([]);
  });

  it('works on logits in shared memory', () => {
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set([0, 5, 1, 2]);
    expect(new Sampler({ ...off, topK: 2, topP: 0.5 }, 4).next(shared, 1)).toMatchObject({ id: 1 });
  });

  it('refuses logits that are not numbers', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const temperature of [0, 1]) {
        const sampler = new Sampler({ ...off, temperature }, 3);
        expect(() => sampler.next(Float32Array.of(0, 1, bad))).toThrow(/logit of token 2/);
      }
    }
    expect(() => argmax(new Float32Array(2).fill(Number.NEGATIVE_INFINITY))).toThrow(/logit/);
  });

  it('refuses parameters that make no sense, by name', () => {
    for (const [name, value] of Object.entries({
      temperature: -1,
      topK: 1.5,
      topP: 1.1,
      minP: Number.NaN,
      repetitionPenalty: 0,
      presencePenalty: Number.POSITIVE_INFINITY,
      logitBias: { 9: 1 },
    })) {
      expect(() => new Sampler({ ...off, [name]: value }, 5)).toThrow(new RegExp(`^${name} `));
    }
  });
});

it('Random is uniform in [0, 1)', () => {
  const random = new Random(123);
  const values = Array.from({ length: 10_000 }, () => random.next());
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  expect(values.reduce((a, b) => a + b) / values.length).toBeCloseTo(0.5, 1);
  expect(new Set(values).size).toBe(values.length);
});
