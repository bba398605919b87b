import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BigramModel, Momentum } from '../../test/bigram-model.js';
import { KaiwenError } from '../errors.js';
import { Batches, type Documents } from './batches.js';
import { Checkpoints } from './checkpoint.js';
import { MetricsLog } from './metrics.js';
import { NextToken } from './objective.js';
import { type StepRecord, Trainer, type TrainerSettings, type TrainRecord } from './trainer.js';

const VOCAB = 12;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-train-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Documents that count upwards, so that there is something to learn. */
const documents: Documents = {
  documents: 40,
  length: (i) => 4 + (i % 7),
  document: (i) => ({ ids: Uint16Array.from({ length: 4 + (i % 7) }, (_, t) => (i + t) % VOCAB) }),
  describe: (i) => `corpus.jsonl:${i + 1}`,
};

const SETTINGS: TrainerSettings = {
  ...{ steps: 30, accumulate: 2, learningRate: 0.5, clip: 1, seed: 3, fingerprint: 'a' },
  schedule: { kind: 'cosine', steps: 30, warmup: 3, floor: 0, decay: 0 },
  checkpoint: { minutes: 60, steps: 7, keep: 2 },
};

interface Extra extends Partial<TrainerSettings> {
  patience?: number;
  documents?: Documents;
  onRecord?: (record: TrainRecord) => void;
}

function makeTrainer(name: string, { patience, documents: own = documents, onRecord, ...settings }: Extra = {}) {
  const model = new BigramModel(VOCAB);
  const packing = { rows: 32, context: 16, seed: 3, split: true, vocabSize: VOCAB };
  const path = join(folder, name);
  const notices: string[] = [];
  const records: TrainRecord[] = [];
  const trainer = new Trainer(
    {
      ...{ model, objective: new NextToken(model), optimizer: new Momentum(model) },
      batches: new Batches(own, packing),
      checkpoints: new Checkpoints(join(path, 'checkpoints'), 8),
      metrics: new MetricsLog(`${path}.jsonl`),
      validation: { batches: new Batches(documents, { ...packing, shuffle: false }), every: 5, tokens: 100, patience },
    },
    { ...SETTINGS, ...settings },
    {
      record: (record) => {
        records.push(record);
        onRecord?.(record);
      },
      notice: (text) => notices.push(text),
    },
  );
  return { trainer, model, notices, records, checkpoints: join(path, 'checkpoints') };
}

/** The lines of metrics.jsonl without their times. */
function metrics(name: string) {
  const lines = readFileSync(join(folder, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => ({ ...(JSON.parse(line) as StepRecord), seconds: 0 }));
}

async function uninterrupted() {
  const whole = makeTrainer('whole');
  expect(await whole.trainer.resume()).toBe(false);
  const outcome = await whole.trainer.run();
  return { ...whole, outcome, lines: metrics('whole') };
}

describe('Trainer', () => {
  it('learns, and writes what it did', async () => {
    const { outcome, lines, model, checkpoints } = await uninterrupted();
    expect(outcome.ended).toBe('finished');
    const steps = lines.filter(({ kind }) => kind === 'step');
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(steps[0].loss).toBeCloseTo(Math.log(VOCAB));
    expect(steps[29].loss).toBeLessThan(1.5);
    expect(lines.filter(({ kind }) => (kind as string) === 'validation')).toHaveLength(6);
    expect(outcome.state.tokens).toBe(steps[29].tokens);
    expect(new Set(model.seeds).size).toBe(60);
    expect(await readdir(checkpoints)).toEqual(['step-00000028', 'step-00000030']);
  });

  it('goes on after being stopped as if it had not been', async () => {
    const { lines, model } = await uninterrupted();
    for (const at of [1, 12, 29]) {
      const stop = new AbortController();
      const onRecord = (record: TrainRecord) => {
        if (record.kind === 'step' && record.step === at) stop.abort();
      };
      const name = `stopped-${at}`;
      const first = await makeTrainer(name, { onRecord }).trainer.run(stop.signal);
      expect(first).toMatchObject({ ended: 'interrupted', state: { step: at } });
      const second = makeTrainer(name);
      expect(await second.trainer.resume()).toBe(true);
      await second.trainer.run();
      expect(metrics(name)).toEqual(lines);
      expect(second.model.table).toEqual(model.table);
    }
  });

  it('goes on after a crash from the last checkpoint, forgetting what came after it', async () => {
    const { lines } = await uninterrupted();
    const onRecord = (record: TrainRecord) => {
      if (record.kind === 'step' && record.step === 17) throw new Error('crash');
    };
    const crashed = makeTrainer('crashed', { onRecord });
    await expect(crashed.trainer.run()).rejects.toThrow('crash');
    const second = makeTrainer('crashed');
    await second.trainer.resume();
    expect(second.trainer.state.step).toBe(14);
    await second.trainer.run();
    expect(metrics('crashed')).toEqual(lines);
  });

  it('passes over a checkpoint that is broken', async () => {
    const { checkpoints, lines } = await uninterrupted();
    await truncate(join(checkpoints, 'step-00000030/weights.safetensors'), 500);
    const again = makeTrainer('whole');
    await again.trainer.resume();
    expect(again.trainer.state.step).toBe(28);
    expect(again.notices.join()).toMatch(/step-00000030.weights\.safetensors: truncated/);
    await again.trainer.run();
    expect(metrics('whole')).toEqual(lines);

    const path = join(checkpoints, 'step-00000030/optimizer.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 2] ^= 1;
    writeFileSync(path, bytes);
    const third = makeTrainer('whole');
    await third.trainer.resume();
    expect(third.trainer.state.step).toBe(28);
    expect(third.notices.join()).toContain('its hash is another');

    writeFileSync(join(checkpoints, 'step-00000028/state.json'), '{');
    await expect(makeTrainer('whole').trainer.resume()).rejects.toThrow('no checkpoint is whole');
  });

  it('refuses to go on with other settings', async () => {
    await uninterrupted();
    await expect(makeTrainer('whole', { fingerprint: 'b' }).trainer.resume()).rejects.toThrow('other settings');
  });

  it('stops early and keeps the best', async () => {
    // A rate that large runs past the minimum soon.
    const { trainer, checkpoints } = makeTrainer('early', { patience: 2, learningRate: 60, clip: 0 });
    const { ended, state } = await trainer.run();
    expect(ended).toBe('stopped early');
    expect(state.step).toBe(state.best!.step + 10);
    expect(await readdir(checkpoints)).toContain(`step-${String(state.best!.step).padStart(8, '0')}`);
  });

  it('stops at the first loss that is no number, and names the document', async () => {
    const { trainer, model, checkpoints } = makeTrainer('nan', {
      onRecord: (record) => {
        // Token 0 is followed by nothing sensible from now on; only some documents have it.
        if (record.kind === 'step' && record.step === 8) model.table.fill(Number.NaN, 0, VOCAB);
      },
    });
    const error = await trainer.run().catch((caught) => caught as KaiwenError);
    expect(error).toBeInstanceOf(KaiwenError);
    expect(error).toMatchObject({ message: expect.stringMatching(/^Step 9: the loss is NaN in the batch of corpus/) });
    const [, number] = /corpus\.jsonl:(\d+)/.exec((error as KaiwenError).message)!;
    const { ids } = documents.document(Number(number) - 1);
    expect([...ids]).toContain(0);
    expect(await readdir(checkpoints)).toEqual(['step-00000007']);
  });
});
