/** The run as one HTML page that needs nothing else: curves as inline SVG, settings, samples. */
import type { TrainConfig } from './config.js';
import type { RunPlan } from './defaults.js';
import { plot, type Series } from './plot.js';
import type { Prediction } from './predict.js';
import type { StepRecord, TrainRecord } from './trainer.js';

export interface ReportParts {
  config: TrainConfig;
  plan: RunPlan;
  prediction: Prediction;
  /** Measured, once training has ended. */
  peakBytes?: number;
  /** The text of metrics.jsonl. */
  metrics: string;
}

type Step = StepRecord & Record<string, number>;

export function renderReport({ config, plan, prediction, peakBytes, metrics }: ReportParts): string {
  const records = metrics.split('\n').flatMap(parse);
  const steps = records.filter((record): record is Step => record.kind === 'step');
  const validations = records.filter((record) => record.kind === 'validation');
  const samples = records.filter((record) => record.kind === 'sample');
  const series = (
    name: string,
    of: readonly { step: number }[],
    y: (record: Step) => number,
    dots = false,
  ): Series => ({
    ...{ name, dots },
    points: of.map((record) => [record.step, y(record as Step)]),
  });
  const extra = ['accuracy', 'margin', 'chosenLoss'].filter((name) => steps.some((step) => step[name] !== undefined));
  const plots = [
    plot('Loss', [
      { ...series('training', steps, ({ loss }) => loss), smooth: true },
      series('validation', validations, ({ loss }) => loss, true),
    ]),
    plot('Learning rate', [series('learning rate', steps, ({ learningRate }) => learningRate)]),
    plot('Length of the gradient', [{ ...series('gradient', steps, (step) => step.gradientNorm), smooth: true }]),
    plot('Tokens a second', [{ ...series('tokens/s', steps, ({ rows, seconds }) => rows / seconds), smooth: true }]),
    ...extra.map((name) => plot(name, [{ ...series(name, steps, (step) => step[name]), smooth: true }])),
  ];
  const last = steps.at(-1);
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
  const facts: [string, string][] = [
    ['method', config.method],
    ['parameters', `${plan.parameters.toLocaleString('en')} (${plan.trained.toLocaleString('en')} trained)`],
    [
      'steps',
      `${last?.step ?? 0} of ${plan.steps}, of ${prediction.tokensPerStep.toLocaleString('en')} tokens at most`,
    ],
    ['tokens learned from', Math.round(last?.tokens ?? 0).toLocaleString('en')],
    ['time', `${duration(seconds)} (predicted: ${duration(prediction.secondsPerStep * plan.steps)})`],
    [
      'memory',
      `${peakBytes ? `${megabytes(peakBytes)} (` : ''}predicted: ${megabytes(prediction.peakBytes)}${peakBytes ? ')' : ''}`,
    ],
    ['last loss', last ? last.loss.toFixed(4) : 'none'],
    [
      'lowest validation loss',
      validations.length ? Math.min(...validations.map(({ loss }) => loss)).toFixed(4) : 'none',
    ],
  ];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(config.out)}: ${config.method}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
table { border-collapse: collapse } td { padding: .15rem 1rem .15rem 0; vertical-align: top }
pre { background: #f4f4f4; padding: .8rem; overflow: auto; white-space: pre-wrap }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: #555 }
.sample { border-left: 3px solid #c8d4e3; padding-left: .8rem; margin: .8rem 0 } .sample b { color: #555; font-weight: 600 }
</style>
<h1>${escapeHtml(config.out)}</h1>
<table>${facts.map(([name, value]) => `<tr><td>${name}</td><td>${escapeHtml(value)}</td></tr>`).join('')}</table>
${plots.join('\n')}
${samples.length ? `<h2>Samples</h2>${samples.slice(-40).reverse().map(sampleOf).join('\n')}` : ''}
<h2>Settings</h2>
<pre>${escapeHtml(JSON.stringify({ ...config, plan }, null, 2))}</pre>
</html>
`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function sampleOf({ step, prompt, text }: Extract<TrainRecord, { kind: 'sample' }>): string {
  return `<div class="sample"><b>step ${step}: ${escapeHtml(prompt)}</b><br>${escapeHtml(text)}</div>`;
}

/** A line that a crash cut short is passed over. */
function parse(line: string): TrainRecord[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as TrainRecord];
  } catch {
    return [];
  }
}

/** 4000 → "1 h 7 min". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return minutes < 24 * 60
    ? `${Math.floor(minutes / 60)} h ${minutes % 60} min`
    : `${Math.floor(minutes / 1440)} d ${Math.round((minutes % 1440) / 60)} h`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
