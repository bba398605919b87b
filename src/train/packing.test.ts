import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batches, type Documents } from './batches.js';
import { EpochPlan, type PackingOptions } from './packing.js';

const lengthsOf = (lengths: readonly number[]) => ({
  documents: lengths.length,
  length: (i: number) => lengths[i],
});
const all = (plan: EpochPlan) => Array.from({ length: plan.batches }, (_, i) => plan.batch(i));

const options: PackingOptions = { rows: 64, context: 16, seed: 7, split: true };

/** Documents of consecutive ids; in the odd ones only the middle counts. */
function corpus(lengths: readonly number[]): Documents {
  return {
    ...lengthsOf(lengths),
    document: (i) => ({
      ids: Uint16Array.from({ length: lengths[i] }, (_, t) => 100 * i + t),
      weights:
        i % 2 ? Uint8Array.from({ length: lengths[i] }, (_, t) => (t === 2 ? 255 : t === 3 ? 51 : 0)) : undefined,
    }),
    describe: (i) => `document ${i}`,
  };
}

describe('EpochPlan', () => {
  it('has every target of every document exactly once, in sequences and batches within their limits', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 300 }), fc.nat(9), (lengths, epoch) => {
        const covered = lengths.map((n) => new Uint8Array(Math.max(0, n - 1)));
        for (const batch of all(new EpochPlan(lengthsOf(lengths), epoch, options))) {
          expect(batch.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(64);
          for (const { document, from, rows } of batch) {
            expect(rows).toBeGreaterThan(0);
            expect(rows).toBeLessThanOrEqual(16);
            for (let i = from; i < from + rows; i++) covered[document][i]++;
          }
        }
        expect(covered.every((marks) => marks.every((mark) => mark === 1))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('fills batches, orders each epoch anew, and does so again for the same seed', () => {
    const lengths = Array.from({ length: 2000 }, (_, i) => 2 + ((i * 7919) % 30));
    const plan = new EpochPlan(lengthsOf(lengths), 0, options);
    expect(plan.fill(64)).toBeGreaterThan(0.98);
    expect(all(new EpochPlan(lengthsOf(lengths), 0, options))).toEqual(all(plan));
    expect(all(new EpochPlan(lengthsOf(lengths), 1, options))[0]).not.toEqual(plan.batch(0));
    expect(all(new EpochPlan(lengthsOf(lengths), 0, { ...options, seed: 8 }))[0]).not.toEqual(plan.batch(0));
  });

  it('cuts long conversations instead of splitting them, and keeps pairs together', () => {
    const cut = all(new EpochPlan(lengthsOf([100, 5]), 0, { ...options, split: false })).flat();
    expect(cut.map(({ rows }) => rows).sort()).toEqual([16, 4]);
    const lengths = Array.from({ length: 40 }, (_, i) => 3 + (i % 12));
    for (const batch of all(new EpochPlan(lengthsOf(lengths), 0, { ...options, group: 2, split: false }))) {
      for (let i = 0; i < batch.length; i += 2) {
        expect(batch[i].document % 2).toBe(0);
        expect(batch[i + 1].document).toBe(batch[i].document + 1);
      }
    }
  });

  it('refuses pairs that no batch can hold', () => {
    expect(() => new EpochPlan(lengthsOf([60, 60]), 0, { ...options, context: 64, group: 2, split: false })).toThrow(
      'cannot hold',
    );
  });
});

describe('Batches', () => {
  const lengths = Array.from({ length: 50 }, (_, i) => 5 + ((i * 31) % 40));

  it('goes on from a place as if it had never stopped, over the end of an epoch', () => {
    const whole = new Batches(corpus(lengths), { ...options, vocabSize: 65536 });
    const batches = Array.from({ length: whole.count(0) + 5 }, () => ({ at: whole.position, ...whole.next() }));
    for (const start of [1, whole.count(0) - 1, whole.count(0) + 2]) {
      const later = new Batches(corpus(lengths), { ...options, vocabSize: 65536 });
      later.position = batches[start].at;
      expect({ at: batches[start].at, ...later.next() }).toEqual(batches[start]);
    }
  });

  it('predicts the next token within a document, with the weights of its targets', () => {
    const batches = new Batches(corpus([4, 6]), { ...options, vocabSize: 65536, shuffle: false });
    const { ids, targets, weights, runs, weight, documents } = batches.next();
    // The longer one first; behind its last target nothing is computed.
    expect(documents).toEqual([1, 0]);
    expect([...ids]).toEqual([100, 101, 102, 0, 1, 2]);
    expect([...targets]).toEqual([-1, 102, 103, 1, 2, 3]);
    expect([...weights]).toEqual([0, 1, Math.fround(0.2), 1, 1, 1]);
    expect(runs).toEqual([
      { row: 0, rows: 3 },
      { row: 3, rows: 3 },
    ]);
    expect(weight).toBeCloseTo(4.2);
  });

  it('names the document of a token that the model does not have', () => {
    expect(() => new Batches(corpus([4]), { ...options, vocabSize: 2 }).next()).toThrow('document 0: token 2');
  });

  it('says so where there is nothing to train on', () => {
    expect(() => new Batches(corpus([1, 1]), { ...options, vocabSize: 9 }).next()).toThrow('no document');
  });
});
