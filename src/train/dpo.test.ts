import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BigramModel, Momentum } from '../../test/bigram-model.js';
import { Batches, type Documents } from './batches.js';
import { Preference, referenceOf } from './dpo.js';

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-dpo-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const VOCAB = 8;
const TEXTS = [
  [1, 2, 3, 4],
  [1, 2, 5, 6],
  [2, 3, 3, 3, 1],
  [2, 3, 7, 1],
];
/** The first token is the prompt's: it is not learned. */
const documents: Documents = {
  documents: TEXTS.length,
  length: (i) => TEXTS[i].length,
  document: (i) => ({
    ids: Uint16Array.from(TEXTS[i]),
    weights: Uint8Array.from(TEXTS[i], (_, t) => (t < 2 ? 0 : 255)),
  }),
  describe: (i) => `document ${i}`,
};
const sizes = { rows: 32, context: 16, vocabSize: VOCAB };

function randomModel(): BigramModel {
  const model = new BigramModel(VOCAB);
  model.table.forEach((_, i) => {
    model.table[i] = Math.sin(i * 1.7);
  });
  return model;
}

function onlyBatch() {
  const batches = new Batches(documents, { ...sizes, seed: 1, split: false, group: 2, shuffle: false });
  return { ...batches.next(), seed: 0 };
}

async function preference(model: BigramModel, more = {}) {
  const path = join(folder, `${Object.keys(more).join()}.bin`);
  const train = await referenceOf(model, documents, sizes, { path, key: 'a' });
  return { train, objective: new Preference(model, { beta: 0.5, labelSmoothing: 0, sft: 0, ...more }, { train }) };
}

describe('Preference', () => {
  it('is log 2 before the first step, when nothing differs from the reference', async () => {
    const { objective } = await preference(randomModel());
    const { loss, more } = objective.measure(onlyBatch());
    expect(loss / objective.units(onlyBatch())).toBeCloseTo(Math.LN2, 6);
    expect(more).toMatchObject({ margin: 0 });
  });

  it.each([{}, { labelSmoothing: 0.2 }, { sft: 0.3 }])('has the gradient of its loss, %j', async (more) => {
    const model = randomModel();
    const { objective } = await preference(model, more);
    const batch = onlyBatch();
    const units = objective.units(batch);
    expect(units).toBe(2);
    // Away from the reference, where all terms differ.
    model.table.forEach((_, i) => {
      model.table[i] += 0.5 * Math.cos(i);
    });
    model.zeroGrad();
    objective.learn(batch, units);
    const gradient = model.gradient.slice();
    for (const i of [1 * VOCAB + 2, 2 * VOCAB + 3, 2 * VOCAB + 5, 3 * VOCAB + 3, 7 * VOCAB + 1]) {
      const [before, h] = [model.table[i], 1e-2];
      model.table[i] = before + h;
      const above = objective.measure(batch).loss;
      model.table[i] = before - h;
      const below = objective.measure(batch).loss;
      model.table[i] = before;
      expect(gradient[i]).toBeCloseTo((above - below) / (2 * h) / units, 4);
    }
  });

  it('comes to prefer what was chosen', async () => {
    const model = randomModel();
    const { objective } = await preference(model);
    const optimizer = new Momentum(model);
    const batch = onlyBatch();
    for (let step = 1; step <= 30; step++) {
      model.zeroGrad();
      objective.learn(batch, 2);
      optimizer.step({ step, learningRate: 0.5, gradScale: 1 });
    }
    const { more } = objective.measure(batch);
    expect(more!.accuracy).toBe(2);
    expect(more!.margin / 2).toBeGreaterThan(1);
  });
});

describe('referenceOf', () => {
  it('is kept for the same data and model, and made anew for others', async () => {
    const model = randomModel();
    const path = join(folder, 'kept.bin');
    const first = await referenceOf(model, documents, sizes, { path, key: 'a' });
    model.table.fill(0);
    expect(await referenceOf(model, documents, sizes, { path, key: 'a' })).toEqual(first);
    const other = await referenceOf(model, documents, sizes, { path, key: 'b' });
    expect(other[0]).toBeCloseTo(-2 * Math.log(VOCAB), 5);
  });

  it('says of each document what it says of it alone', async () => {
    const model = randomModel();
    const key = { path: join(folder, 'few.bin'), key: 'a' };
    const few = await referenceOf(model, documents, { ...sizes, rows: 5 }, key);
    const all = await referenceOf(model, documents, sizes, { path: join(folder, 'all.bin'), key: 'a' });
    expect(few).toEqual(all);
  });
});
