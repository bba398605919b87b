/**
 * The loop: batches in, steps of the optimiser, and at times a validation, samples, a checkpoint. It knows neither
 * files of text nor terminals. Everything a step depends on is in the checkpoint (weights, optimiser, step, place in
 * the data; randomness is a function of seed and step), so a resumed run computes the same bits.
 */
import { KaiwenError } from '../errors.js';
import type { Batches, PlannedBatch } from './batches.js';
import type { Checkpoints, RunState } from './checkpoint.js';
import type { MetricsLog } from './metrics.js';
import type { Objective, Sums } from './objective.js';
import type { Optimizer } from './optimizer.js';
import { type ScheduleOptions, scheduleAt } from './schedule.js';
import type { Trainable } from './trainable.js';

export interface TrainerParts {
  model: Trainable;
  objective: Objective;
  optimizer: Optimizer;
  batches: Batches;
  checkpoints: Checkpoints;
  metrics: MetricsLog;
  /** Without: no validation. */
  validation?: Validation;
  /** Generates texts to look at; awaited. */
  sample?: { every: number; run(): { prompt: string; text: string }[] };
}

export interface Validation {
  batches: Batches;
  every: number;
  /** Most tokens of one validation. */
  tokens: number;
  /** Validations without a lower loss after which the run ends. */
  patience?: number;
}

export interface TrainerSettings {
  steps: number;
  /** Batches whose gradients are added up for a step. */
  accumulate: number;
  learningRate: number;
  schedule: ScheduleOptions;
  /** Longest gradient; 0: any. */
  clip: number;
  seed: number;
  /** What the numbers depend on: a checkpoint with another fingerprint is refused. */
  fingerprint: string;
  checkpoint: { minutes: number; steps?: number; keep: number };
}

/** A step as metrics.jsonl has it. */
export interface StepRecord {
  kind: 'step';
  step: number;
  loss: number;
  learningRate: number;
  gradientNorm: number;
  epoch: number;
  /** Rows that were computed, and targets that were learned from, weights counted. */
  rows: number;
  tokens: number;
  seconds: number;
  [more: string]: number | string;
}

export type TrainRecord =
  | StepRecord
  | { kind: 'validation'; step: number; loss: number; tokens: number; [more: string]: number | string }
  | { kind: 'sample'; step: number; prompt: string; text: string }
  | { kind: 'checkpoint'; step: number; seconds: number };

export interface TrainerEvents {
  record?(record: TrainRecord): void;
  notice?(text: string): void;
}

export interface Outcome {
  state: RunState;
  /** Why it ended before its last step. */
  ended: 'finished' | 'stopped early' | 'interrupted';
}

export class Trainer {
  #state: RunState;
  #checkpointed = performance.now();
  #saved = -1;

  constructor(
    private readonly parts: TrainerParts,
    private readonly settings: TrainerSettings,
    private readonly events: TrainerEvents = {},
  ) {
    const position = { epoch: 0, batch: 0 };
    const { fingerprint } = settings;
    this.#state = { step: 0, position, tokens: 0, seconds: 0, metricsBytes: 0, fingerprint };
  }

  /** Goes on from the newest whole checkpoint; false if there is none. */
  async resume(): Promise<boolean> {
    const { checkpoints, model, batches, metrics } = this.parts;
    const refused = (reason: string) => this.events.notice?.(`${reason} The checkpoint before is used.`);
    const state = await checkpoints.restore(model, refused);
    if (state) {
      if (state.fingerprint !== this.settings.fingerprint) throw otherRun(checkpoints.folder);
      this.#state = state;
      this.#saved = state.step;
      batches.position = state.position;
    }
    metrics.truncate(this.#state.metricsBytes);
    return state !== undefined;
  }

  get state(): RunState {
    return this.#state;
  }

  /** Steps to the end, to an early stop, or until `signal`: then a checkpoint of the last whole step is written. */
  async run(signal?: AbortSignal): Promise<Outcome> {
    try {
      return await this.#loop(signal);
    } catch (error) {
      throw await this.#withWhatIsLeft(error);
    }
  }

  async #loop(signal: AbortSignal | undefined): Promise<Outcome> {
    const { sample, validation } = this.parts;
    const { steps, checkpoint } = this.settings;
    this.#checkpointed = performance.now();
    while (this.#state.step < steps) {
      if (this.#exhausted()) return this.#end('stopped early');
      if (!(await this.#step(signal))) return this.#end('interrupted');
      const { step } = this.#state;
      const last = step === steps;
      if (validation && (step % validation.every === 0 || last)) await this.#validate(validation);
      if (sample && (step % sample.every === 0 || last)) for (const s of sample.run()) this.#sample(s);
      const minutes = (performance.now() - this.#checkpointed) / 60_000;
      const due = checkpoint.steps ? step % checkpoint.steps === 0 : minutes >= checkpoint.minutes;
      if (due || last || this.#state.best?.step === step) await this.save();
    }
    return this.#end(this.#exhausted() ? 'stopped early' : 'finished');
  }

  /** Writes a checkpoint of the state after the last whole step, unless it is there. */
  async save(): Promise<void> {
    if (this.#saved === this.#state.step) return;
    const { checkpoints, model, metrics } = this.parts;
    const started = performance.now();
    await metrics.flush();
    this.#state.metricsBytes = metrics.bytes;
    await checkpoints.save(model, this.#state, this.settings.checkpoint.keep);
    this.#saved = this.#state.step;
    this.#checkpointed = performance.now();
    const seconds = (this.#checkpointed - started) / 1000;
    this.events.record?.({ kind: 'checkpoint', step: this.#state.step, seconds });
  }

  /** A disk that refuses is no reason to despair. */
  async #withWhatIsLeft(error: unknown): Promise<unknown> {
    if (!(error instanceof KaiwenError) || error.code !== 'io') return error;
    const kept = (await this.parts.checkpoints.steps()).at(-1);
    if (kept === undefined) return error;
    const remedy = `${error.remedy ?? ''} The checkpoint of step ${kept} is whole: the same command goes on from it.`;
    return new KaiwenError(error.code, error.message, { remedy: remedy.trimStart(), cause: error });
  }

  async #end(ended: Outcome['ended']): Promise<Outcome> {
    await this.save();
    return { state: this.#state, ended };
  }

  /** One step of the optimiser; false, with nothing changed, if `signal` came before its end. */
  async #step(signal: AbortSignal | undefined): Promise<boolean> {
    const { model, objective, optimizer, batches } = this.parts;
    const { step, tokens, seconds } = this.#state;
    const { learningRate: rate, schedule, clip, accumulate, seed } = this.settings;
    const started = performance.now();
    const { epoch } = batches.position;
    const micro = this.#nextBatches();
    const units = micro.reduce((sum, batch) => sum + objective.units(batch), 0);
    const sums: Sums = { loss: 0, more: {} };
    model.zeroGrad();
    for (const [i, batch] of micro.entries()) {
      await breathe();
      if (signal?.aborted) {
        batches.position = this.#state.position;
        return false;
      }
      if (units === 0) continue;
      const added = objective.learn({ ...batch, seed: noiseSeed(seed, step * accumulate + i) }, units);
      if (!Number.isFinite(added.loss)) throw this.#diverged('loss', added.loss, [batch]);
      addTo(sums, added);
    }
    const norm = Math.sqrt(model.gradNormSquared());
    if (!Number.isFinite(norm)) throw this.#diverged('gradient', norm, micro);
    const learningRate = rate * scheduleAt(step, schedule);
    const gradScale = clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1;
    optimizer.step({ step: step + 1, learningRate, gradScale });
    const learned = micro.reduce((sum, { weight }) => sum + weight, 0);
    const took = (performance.now() - started) / 1000;
    this.#state = {
      ...this.#state,
      ...{ step: step + 1, position: batches.position, tokens: tokens + learned, seconds: seconds + took },
    };
    this.#record({
      ...{ kind: 'step', step: step + 1, loss: sums.loss / (units || 1), ...means(sums, units) },
      ...{ learningRate, gradientNorm: norm, epoch, rows: micro.reduce((sum, { ids }) => sum + ids.length, 0) },
      ...{ tokens: tokens + learned, seconds: took },
    });
    return true;
  }

  #nextBatches(): PlannedBatch[] {
    const { batches } = this.parts;
    return Array.from({ length: this.settings.accumulate }, () => batches.next());
  }

  async #validate({ batches, tokens }: Validation): Promise<void> {
    const { objective } = this.parts;
    const sums: Sums = { loss: 0, more: {} };
    let [units, seen] = [0, 0];
    batches.position = { epoch: 0, batch: 0 };
    for (let left = batches.count(0); left > 0 && seen < tokens; left--) {
      await breathe();
      const batch = batches.next();
      addTo(sums, objective.measure(batch));
      units += objective.units(batch);
      seen += batch.ids.length;
    }
    const { step, best } = this.#state;
    const loss = sums.loss / (units || 1);
    this.#record({ kind: 'validation', step, loss, ...means(sums, units), tokens: seen });
    if (!Number.isFinite(loss)) {
      throw new KaiwenError('bad_input', `After step ${step} the validation loss is ${loss}.`, {
        remedy: 'Lower learning_rate, or lengthen warmup; nothing after the last checkpoint is kept.',
      });
    }
    if (this.parts.validation?.patience === undefined) return;
    if (!best || loss < best.loss) this.#state.best = { step, loss, since: 0 };
    else this.#state.best = { ...best, since: best.since + 1 };
  }

  #exhausted(): boolean {
    const { best } = this.#state;
    return best !== undefined && best.since >= (this.parts.validation?.patience ?? Number.POSITIVE_INFINITY);
  }

  #sample({ prompt, text }: { prompt: string; text: string }): void {
    this.#record({ kind: 'sample', step: this.#state.step, prompt, text });
  }

  #record(record: TrainRecord): void {
    this.parts.metrics.add(record);
    this.events.record?.(record);
  }

  /** Numbers ran away: names the documents, so that they can be looked at. */
  #diverged(what: string, value: number, micro: readonly PlannedBatch[]): KaiwenError {
    const { documents } = this.parts.batches;
    const numbers = [...new Set(micro.flatMap((batch) => this.#suspects(batch)))];
    const shown = numbers.slice(0, 5).map((i) => documents.describe(i));
    const more = numbers.length > shown.length ? ` and ${numbers.length - shown.length} more` : '';
    const data = numbers.length > 0 ? ` in the batch of ${shown.join(', ')}${more}` : '';
    return new KaiwenError('bad_input', `Step ${this.#state.step + 1}: the ${what} is ${value}${data}.`, {
      remedy:
        'Look at these documents, lower learning_rate, or lengthen warmup; nothing after the last checkpoint is kept.',
    });
  }

  /** The documents whose own loss is no number; all of the batch where none is by itself at fault. */
  #suspects(batch: PlannedBatch): readonly number[] {
    const losses = this.parts.model.forward(batch);
    const wrong = batch.documents.filter((_, i) => {
      const { row, rows } = batch.runs[i];
      return losses.subarray(row, row + rows).some((loss) => !Number.isFinite(loss));
    });
    return wrong.length > 0 ? wrong : batch.documents;
  }
}

/** Lets signals and timers in. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Different for every batch of a run and for neighbouring seeds (a step of splitmix32). */
function noiseSeed(seed: number, batch: number): number {
  let z = (Math.imul(seed, 0x9e3779b1) + Math.imul(batch + 1, 0x85ebca77)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

function addTo(sums: Sums, { loss, more = {} }: Sums): void {
  sums.loss += loss;
  for (const [name, value] of Object.entries(more)) sums.more![name] = (sums.more![name] ?? 0) + value;
}

function means({ more = {} }: Sums, units: number): Record<string, number> {
  return Object.fromEntries(Object.entries(more).map(([name, value]) => [name, value / (units || 1)]));
}

function otherRun(folder: string): KaiwenError {
  return new KaiwenError('bad_input', `${folder}: checkpoints of a run with other settings or data.`, {
    remedy: 'Give another --out, go back to the settings of that run, or pass --fresh to start over.',
  });
}
