/** What a terminal shows of a run while it goes on: two lines that are drawn anew, or plain lines where it is none. */
import { join } from 'node:path';

import type { RunPlan } from './defaults.js';
import type { Prediction } from './predict.js';
import { duration } from './report.js';
import type { RunResult } from './run.js';
import type { StepRecord, TrainRecord } from './trainer.js';

export interface View {
  stage(text: string): void;
  predicted(prediction: Prediction, plan: RunPlan): void;
  record(record: TrainRecord): void;
  notice(text: string): void;
  /** Training has ended, or was interrupted; the last state stays standing. */
  done(result: RunResult): void;
}

export interface ViewOptions {
  out: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  /** Measures the floating-point operations a second that this machine reaches now, to compare with. */
  peak: () => number;
  /** Folder of the run, and the model that it started from. */
  folder: string;
  model?: string;
  /** Milliseconds between plain lines. */
  every?: number;
  dim?: (text: string) => string;
}

const REDRAW_MS = 200;
/** Between measurements of the peak; a busy machine shows less than it can, so the highest counts. */
const PEAK_MS = 60_000;
const PEAK_DOUBTED_MS = 5_000;
const BAR = 20;

/** One JSON object a line. */
export class JsonView implements View {
  constructor(private readonly out: ViewOptions['out']) {}
  stage(): void {}
  predicted(prediction: Prediction, plan: RunPlan): void {
    this.#print({ kind: 'prediction', ...prediction, plan });
  }
  record(record: TrainRecord): void {
    this.#print(record);
  }
  notice(text: string): void {
    this.#print({ kind: 'notice', text });
  }
  done({ prediction, plan, outcome, used, files }: RunResult): void {
    this.#print({ kind: 'done', ended: outcome?.ended, step: outcome?.state.step, prediction, plan, used, files });
  }
  #print(value: object): void {
    this.out.write(`${JSON.stringify(value)}\n`);
  }
}

export class TextView implements View {
  #plan: RunPlan | undefined;
  #peak = 0;
  #peakMeasured = 0;
  #drawn = 0;
  #lines = 0;
  #last: StepRecord | undefined;
  #loss = 0;
  #validation: number | undefined;
  /** Rows, seconds and number of the last steps, older ones fading. */
  #rows = 0;
  #seconds = 0;
  #steps = 0;
  #count = 0;

  constructor(private readonly options: ViewOptions) {}

  stage(text: string): void {
    if (!this.options.out.isTTY) return;
    this.#erase();
    if (text) this.#draw([`${text} …`]);
  }

  predicted(prediction: Prediction, plan: RunPlan): void {
    this.#plan = plan;
    this.#measurePeak();
    for (const line of predictionLines(prediction, plan)) this.#print(line);
  }

  record(record: TrainRecord): void {
    if (record.kind === 'step') this.#step(record);
    else if (record.kind === 'validation') {
      this.#validation = record.loss;
      this.#print(`step ${record.step}: validation loss ${record.loss.toFixed(4)}${extras(record)}`);
    } else if (record.kind === 'sample') {
      const dim = this.options.dim ?? ((text: string) => text);
      this.#print(`step ${record.step}: ${dim(oneLine(record.prompt))} ${oneLine(record.text)}`);
    }
  }

  notice(text: string): void {
    this.#print(text);
  }

  done({ prediction, outcome, used, files }: RunResult): void {
    this.#show(true);
    this.#lines = 0;
    this.#last = undefined;
    if (!outcome || !used) return;
    const { step } = outcome.state;
    if (outcome.ended === 'interrupted') {
      this.#print(`Stopped after step ${step}; the same command goes on from there.`);
      return;
    }
    const [memory, predicted] = [used.peakBytes, prediction.peakBytes].map((bytes) => `${Math.round(bytes / 1e6)} MB`);
    this.#print(
      `${outcome.ended} after step ${step}, in ${duration(used.seconds)} and ${memory} (predicted: ${duration(prediction.seconds)}, ${predicted})`,
    );
    this.#print(`curves and samples: ${join(this.options.folder, 'report.html')}`);
    if (!files) return;
    if (files.step !== step) this.#print(`The result is step ${files.step}, which had the lowest validation loss.`);
    const { folder, parity } = files;
    const { model } = this.options;
    this.#print(
      `The result answers alike in the trainer, the engine and as GGUF (${parity.texts} texts): ` +
        (folder.endsWith('adapter') ? `kaiwen run ${model} --adapter ${folder}` : `kaiwen run ${folder}`),
    );
  }

  #step(record: StepRecord): void {
    this.#last = record;
    this.#rows = 0.95 * this.#rows + record.rows;
    this.#seconds = 0.95 * this.#seconds + record.seconds;
    this.#steps = 0.95 * this.#steps + 1;
    // A mean over the last twenty, or over half of what there is.
    this.#count++;
    this.#loss += Math.max(0.05, 2 / (this.#count + 1)) * (record.loss - this.#loss);
    this.#show(false);
  }

  #show(force: boolean): void {
    const { out, every = 10_000 } = this.options;
    const now = performance.now();
    if (!this.#last || !this.#plan || (!force && now - this.#drawn < (out.isTTY ? REDRAW_MS : every))) return;
    this.#drawn = now;
    const [progress, figures] = this.#status(this.#last, this.#plan);
    if (out.isTTY) {
      this.#erase();
      this.#draw([progress, figures]);
    } else out.write(`${progress}  ${figures}\n`);
  }

  #status(last: StepRecord, plan: RunPlan): [string, string] {
    const { step, learningRate } = last;
    const speed = this.#rows / Math.max(1e-9, this.#seconds);
    const done = step / plan.steps;
    const share = Math.round(100 * this.#shareOfPeak(speed * plan.flopsPerToken));
    const filled = Math.round(done * BAR);
    const bar = this.options.out.isTTY ? `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ` : '';
    const percent = `${(100 * done).toFixed(done < 0.1 ? 1 : 0)} %`;
    const validation = this.#validation === undefined ? '' : ` (validation ${this.#validation.toFixed(3)})`;
    return [
      `${bar}step ${step}/${plan.steps} ${percent}, ${duration(((plan.steps - step) * this.#seconds) / this.#steps)} left`,
      `loss ${this.#loss.toFixed(4)}${validation}, rate ${learningRate.toExponential(2)}, ${Math.round(speed)} tokens/s, ${share} % of peak${extras(last)}`,
    ];
  }

  /** Of what this machine has been seen to reach, products alone or in training. */
  #shareOfPeak(reached: number): number {
    const since = performance.now() - this.#peakMeasured;
    if (since > PEAK_MS || (reached > this.#peak && since > PEAK_DOUBTED_MS)) this.#measurePeak();
    this.#peak = Math.max(this.#peak, reached);
    return reached / this.#peak;
  }

  #measurePeak(): void {
    this.#peak = Math.max(this.#peak, this.options.peak());
    this.#peakMeasured = performance.now();
  }

  #print(line: string): void {
    this.#erase();
    this.options.out.write(`${line}\n`);
    if (this.options.out.isTTY) this.#show(true);
  }

  #draw(lines: readonly string[]): void {
    const width = (this.options.out.columns || 80) - 1;
    this.options.out.write(`${lines.map((line) => line.slice(0, width)).join('\n')}\n`);
    this.#lines = lines.length;
  }

  #erase(): void {
    if (this.#lines > 0) this.options.out.write(`\x1b[${this.#lines}A\r\x1b[J`);
    this.#lines = 0;
  }
}

/** What is said before the first step. */
export function predictionLines(prediction: Prediction, plan: RunPlan): string[] {
  const { steps, tokensPerStep, peakBytes, seconds, secondsPerStep } = prediction;
  const millions = (count: number) => `${(count / 1e6).toPrecision(3)} M`;
  const trained = plan.trained === plan.parameters ? '' : `, ${millions(plan.trained)} trained`;
  const from = plan.from > 0 ? `, going on from step ${plan.from}` : '';
  return [
    `${millions(plan.parameters)} parameters${trained}; ${steps} ${steps === 1 ? 'step' : 'steps'} of up to ${tokensPerStep} tokens${from}`,
    `predicted: ${Math.round(peakBytes / 1e6)} MB of memory, ${duration(seconds)} (${secondsPerStep.toPrecision(2)} s a step)`,
  ];
}

function extras(record: Record<string, unknown>): string {
  const { accuracy, margin } = record as { accuracy?: number; margin?: number };
  if (accuracy === undefined || margin === undefined) return '';
  return `, preferred ${Math.round(100 * accuracy)} %, margin ${margin.toFixed(2)}`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '');
}
