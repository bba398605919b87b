/**
 * Training beside PyTorch: from the same weights and batches the same gradients of every parameter, and the same losses over
 * twenty steps of AdamW with clipping and a schedule. fixtures/train/make.py recorded them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../src/formats/safetensors.js';
import { TrainableModel, type TrainableOptions, type TrainBatch } from '../src/train/model.js';
import { AdamW, STATE_BYTES } from '../src/train/optimizer.js';
import { type ScheduleOptions, scheduleAt } from '../src/train/schedule.js';
import { relativeError } from './sequence-cases.js';

const fixtures = fileURLToPath(new URL('fixtures/train', import.meta.url));

interface RecordedBatch {
  ids: number[];
  targets: number[];
  weights: number[];
  runs: [first: number, rows: number][];
}
interface Recorded {
  training: {
    learningRate: number;
    betas: [number, number];
    epsilon: number;
    weightDecay: number;
    clip: number;
    schedule: ScheduleOptions;
  };
  batches: RecordedBatch[];
  models: Record<string, { loss: number; losses: number[]; gradientNorms: number[] }>;
}
const { training, batches, models } = readJson<Recorded>('runs.json');
const batch = batchOf(readJson<RecordedBatch>('batch.json'));

const OPTIONS: TrainableOptions = { rows: 48, train: 'all', optimizerBytesPerParameter: STATE_BYTES, threads: 2 };
const BACKENDS: Partial<TrainableOptions>[] = [
  { native: 'best' },
  { native: 'best', threads: 1, checkpointing: true },
  { native: 'off', simd: 'relaxed' },
  { native: 'off', simd: 'plain' },
];

describe.each(Object.entries(models))('%s', (name, recorded) => {
  it.each(BACKENDS)('has the gradients that PyTorch computes: %o', (backend) => {
    using model = TrainableModel.open(`${fixtures}/${name}`, { ...OPTIONS, ...backend });
    const nll = model.accumulate(batch);
    expect(lossOf(batch, nll)).toBeCloseTo(recorded.loss, 5);
    const expected = readSafetensors(`${fixtures}/${name}/gradients.safetensors`);
    let compared = 0;
    for (const parameter of model.parameters) {
      const gradient = model.gradient(parameter);
      const [stem, experts] = parameter.name.split(/\.(?=experts\.)/);
      const parts = experts
        ? [...expected].filter(([key]) => key.replace(/experts\.\d+\./, 'experts.') === `${stem}.${experts}`)
        : [[parameter.name, expected.get(parameter.name)!] as const];
      const theirs = parts.flatMap(([, { data }]) => [...(data as Float32Array)]);
      expect(relativeError(gradient, theirs), parameter.name).toBeLessThan(5e-5);
      compared += parts.length;
    }
    expect(compared).toBe(expected.size);
  });

  it.each(BACKENDS)('learns as with PyTorch for twenty steps: %o', (backend) => {
    using model = TrainableModel.open(`${fixtures}/${name}`, { ...OPTIONS, ...backend });
    const optimizer = new AdamW(model, training);
    batches.map(batchOf).forEach((step, i) => {
      model.zeroGrad();
      const loss = lossOf(step, model.accumulate(step));
      const norm = Math.sqrt(model.gradNormSquared());
      expect(Math.abs(loss - recorded.losses[i]), `loss of step ${i}`).toBeLessThan(1e-4);
      expect(Math.abs(norm / recorded.gradientNorms[i] - 1), `gradient of step ${i}`).toBeLessThan(1e-3);
      const learningRate = training.learningRate * scheduleAt(i, training.schedule);
      optimizer.step({ step: i + 1, learningRate, gradScale: Math.min(1, training.clip / (norm + 1e-6)) });
    });
  });
});

function lossOf({ weights }: TrainBatch, nll: Float32Array): number {
  return nll.reduce((sum, value, row) => sum + value * weights[row], 0);
}

function batchOf({ ids, targets, weights, runs }: RecordedBatch): TrainBatch {
  return {
    ids: Int32Array.from(ids),
    targets: Int32Array.from(targets),
    weights: Float32Array.from(weights),
    runs: runs.map(([row, rows]) => ({ row, rows })),
  };
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(`${fixtures}/${file}`, 'utf8')) as T;
}
