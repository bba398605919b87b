import { describe, expect, it } from 'vitest';
import { TrainConfig } from './config.js';
import type { RunPlan } from './defaults.js';
import { TextView } from './live.js';
import { duration, renderReport } from './report.js';
import type { Outcome, StepRecord } from './trainer.js';

const plan: RunPlan = {
  ...{ context: 64, rows: 512, accumulate: 1, learningRate: 1e-3, schedule: 'cosine', warmup: 3, floor: 0 },
  ...{ betas: [0.9, 0.95], weightDecay: 0.1, steps: 100, threads: 2, parameters: 2e6, trained: 2e6 },
  ...{ flopsPerToken: 1e7, validateEvery: 10, from: 0 },
};
const prediction = {
  ...{ parameters: 2e6, trained: 2e6, steps: 100, tokensPerStep: 512, peakBytes: 3e8, arenaBytes: 2e8 },
  ...{ secondsPerStep: 0.1, seconds: 10 },
};
const step = (i: number): StepRecord => ({
  ...{ kind: 'step', step: i, loss: 8 / i, learningRate: 1e-3, gradientNorm: 1, epoch: 0 },
  ...{ rows: 512, tokens: 512 * i, seconds: 0.1 },
});

describe('renderReport', () => {
  const config = TrainConfig.parse({ method: 'pretrain', out: 'a<b', data: 'd', tokenizer: 't', depth: 2 });
  const records = [
    ...Array.from({ length: 100 }, (_, i) => step(i + 1)),
    { kind: 'validation', step: 50, loss: 0.25, tokens: 9 },
    { kind: 'sample', step: 50, prompt: '<script>', text: 'said & done' },
  ];
  const lines = records.map((record) => JSON.stringify(record)).join('\n');

  it('needs nothing from elsewhere and shows what was written', () => {
    const html = renderReport({ config, plan, prediction, metrics: `${lines}\n{"kind":"ste` });
    expect(html).toContain('<polyline');
    expect(html).toContain('0.2500');
    expect(html).toContain('said &#38; done');
    expect(html).not.toMatch(/<script|https?:|src=/);
    expect(html).not.toContain('NaN');
  });

  it('has no curves where there is nothing yet', () => {
    expect(renderReport({ config, plan, prediction, metrics: '' })).not.toContain('<svg');
  });
});

describe('duration', () => {
  it.each([
    [4.4, '4 s'],
    [61, '1 min 1 s'],
    [4000, '1 h 7 min'],
    [200_000, '2 d 8 h'],
  ])('%d s is %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe('TextView', () => {
  const outcome: Outcome = {
    ended: 'finished',
    state: { step: 20, position: { epoch: 0, batch: 0 }, tokens: 9, seconds: 2, metricsBytes: 0, fingerprint: '' },
  };

  function written(isTTY: boolean, peak = 1e12): string {
    let text = '';
    const out = { isTTY, columns: 200, write: (more: string) => (text += more) };
    const view = new TextView({ out, peak: () => peak, folder: 'runs/a', every: 0 });
    view.predicted(prediction, plan);
    for (let i = 1; i <= 20; i++) view.record(step(i));
    view.record({ kind: 'validation', step: 20, loss: 1.5, tokens: 10 });
    view.done({ prediction, plan, outcome, used: { peakBytes: 31e7, seconds: 2 } });
    return text;
  }

  it('writes plain lines where there is no terminal', () => {
    const text = written(false);
    expect(text).not.toContain('\x1b');
    expect(text).toContain('predicted: 300 MB of memory, 10 s');
    expect(text).toContain('step 20/100 20 %, 8 s left');
    expect(text).toContain('5120 tokens/s, 5 % of peak');
    expect(text).toContain('step 20: validation loss 1.5000');
    expect(text).toContain('finished after step 20, in 2 s and 310 MB (predicted: 10 s, 300 MB)');
  });

  it('takes what training reaches for the peak where products alone were slower', () => {
    expect(written(false, 1e9)).toContain('5120 tokens/s, 100 % of peak');
  });

  it('draws over itself on a terminal', () => {
    const text = written(true);
    expect(text).toContain('\x1b[2A');
    expect(text.trimEnd().split('\n').at(-4)).toContain('█');
  });
});
