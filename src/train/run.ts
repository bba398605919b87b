/**
 * A run from its settings to what comes out: data, model, plan, training, result. All of it lies in one folder:
 *
 *   settings.json   what the run was started with: enough to go on
 *   run.json        settings with all defaults decided, what they depend on, the prediction
 *   data/           shards of raw files
 *   checkpoints/    to go on from
 *   metrics.jsonl   every step, validation and sample
 *   report.html     the same to look at
 *   model/          the result (adapter/ for LoRA), and result.json once it was checked
 */
import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTextSide } from '../data/text-side.js';
import { describeError, KaiwenError } from '../errors.js';
import { exists, makeFolder, readText } from '../formats/file.js';
import { Checkpoints, writeJson } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import type { Corpus } from './corpus.js';
import { type DataOptions, openData } from './data.js';
import type { RunPlan } from './defaults.js';
import { RESULT_FILE, SETTINGS_FILE } from './files.js';
import { describeBase } from './lineage.js';
import { lockFile } from './lock.js';
import { extraBytes, extraWork, makeObjective, openTeacher } from './methods.js';
import { MetricsLog } from './metrics.js';
import { TrainableModel } from './model.js';
import { Muon } from './muon.js';
import { AdamW, STATE_BYTES } from './optimizer.js';
import { numbersOf, planRun } from './plan.js';
import { checkMemory, measureBatch, measureOptimizer, type Prediction, predictMemory } from './predict.js';
import { renderReport } from './report.js';
import { findResult, type RunResultFiles, writeResult } from './result.js';
import { makeSamples } from './samples.js';
import { type Outcome, Trainer, type TrainerEvents } from './trainer.js';

export interface RunEvents extends TrainerEvents {
  /** What is being done before the first step. */
  stage?(text: string): void;
  dataProgress?: DataOptions['onProgress'];
  predicted?(prediction: Prediction, plan: RunPlan): void;
}

export interface RunOptions {
  /** Throw away what an earlier run left in the folder. */
  fresh?: boolean;
  /** Only predict. */
  dryRun?: boolean;
  signal?: AbortSignal;
  events?: RunEvents;
}

export interface RunResult {
  prediction: Prediction;
  plan: RunPlan;
  outcome?: Outcome;
  /** Most memory that the process has used until training ended, and the seconds it has trained. */
  used?: { peakBytes: number; seconds: number };
  /** What came out, if the run came to its end. */
  files?: RunResultFiles;
}

/**
 * Trains, or goes on with what the folder holds of the same run.
 * Throws KaiwenError: 'usage' for settings that contradict one another or the model, 'out_of_memory' before anything
 * starts, 'bad_input' where the data or the numbers are bad, 'io' where the disk refuses.
 */
export async function train(config: TrainConfig, options: RunOptions = {}): Promise<RunResult> {
  const { events = {}, signal, fresh = false, dryRun = false } = options;
  const text = (config.tokenizer ?? config.model)!;
  events.stage?.('reading the data');
  const side = openTextSide(text);
  makeFolder(config.out);
  using _lock = lockFile(join(config.out, 'lock'));
  if (fresh && !dryRun) discard(config.out);
  const { dataProgress: onProgress, notice } = events;
  using data = await openData(config, { text, side, onProgress, notice, signal });
  const prepared = planRun(config, side, data);
  const { plan, modelOptions, source } = prepared;
  const base = config.model === undefined ? undefined : describeBase(config.model);
  const settings = numbersOf(config, plan, data, side, base);
  const fingerprint = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  const checkpoints = new Checkpoints(join(config.out, 'checkpoints'), STATE_BYTES);
  const steps = await checkpoints.steps();
  if (steps.length > 0) compareRuns(config.out, settings);
  if (!dryRun) await writeJson(join(config.out, SETTINGS_FILE), config);

  const memory = TrainableModel.plan(source, modelOptions);
  const peakBytes = predictMemory(memory.arenaBytes, plan.threads) + extraBytes(config, plan, prepared.vocabSize);
  checkMemory(peakBytes, 'Lower batch_tokens or raise accumulate, set recompute: true, or use tuning: lora or qlora.');
  noticeCuts(data.train, plan.context, notice);
  events.stage?.('loading the model');
  using model =
    typeof source === 'string'
      ? TrainableModel.open(source, modelOptions)
      : TrainableModel.create(source, config.seed, modelOptions);
  using teacher = config.distill && openTeacher(config.distill.teacher, prepared);
  const { batches, validation } = prepared;
  const decay = { betas: plan.betas, epsilon: config.epsilon, weightDecay: plan.weightDecay };
  const optimizer = config.optimizer === 'muon' ? new Muon(model, decay) : new AdamW(model, decay);
  const perBatch = measureBatch(model, batches, extraWork(config, model, teacher));
  const secondsPerStep = perBatch * plan.accumulate + measureOptimizer(model, optimizer);
  const left = plan.steps - (steps.at(-1) ?? 0);
  const prediction: Prediction = {
    ...{ parameters: plan.parameters, trained: plan.trained, steps: plan.steps },
    ...{ tokensPerStep: plan.rows * plan.accumulate, peakBytes, arenaBytes: memory.arenaBytes },
    ...{ secondsPerStep, seconds: secondsPerStep * left },
  };
  events.predicted?.(prediction, { ...plan, from: steps.at(-1) ?? 0 });
  if (dryRun) return { prediction, plan };
  await writeJson(join(config.out, 'run.json'), { config, settings, plan, prediction });

  events.stage?.('');
  const objective = await makeObjective(config, prepared, model, data, { base, teacher, signal });
  const metrics = new MetricsLog(join(config.out, 'metrics.jsonl'));
  const { samples } = config;
  const trainer = new Trainer(
    {
      ...{ model, objective, optimizer, batches, checkpoints, metrics },
      validation: validation && {
        batches: validation,
        every: plan.validateEvery,
        tokens: config.validation?.tokens ?? 50_000,
        patience: config.validation?.patience,
      },
      sample: samples && {
        every: samples.every ?? plan.validateEvery,
        run: () =>
          makeSamples(model, side, {
            ...{ prompts: samples.prompts, tokens: samples.tokens, context: plan.context },
            chat: data.train.kind !== 'text',
          }),
      },
    },
    {
      ...{ steps: plan.steps, accumulate: plan.accumulate, learningRate: plan.learningRate, clip: config.clip },
      ...{ seed: config.seed, fingerprint, checkpoint: config.checkpoint },
      schedule: { kind: plan.schedule, steps: plan.steps, warmup: plan.warmup, floor: plan.floor, decay: config.decay },
    },
    withReports(config, plan, prediction, events),
  );
  await trainer.resume();
  const before = trainer.state.seconds;
  let used: RunResult['used'];
  try {
    const outcome = await trainer.run(signal);
    used = { peakBytes: process.resourceUsage().maxRSS * 1024, seconds: outcome.state.seconds - before };
    if (outcome.ended === 'interrupted') return { prediction, plan, outcome, used };
    const found = findResult(config.out, outcome);
    if (found) return { prediction, plan, outcome, used, files: found };
    events.stage?.('writing and checking the result');
    const { best, step } = outcome.state;
    if (best && best.step !== step) checkpoints.read(model, best.step);
    const { threads } = plan;
    const files = await writeResult(model, data.train, outcome, { config, settings, base, text, threads, signal });
    events.stage?.('');
    return { prediction, plan, outcome, used, files };
  } finally {
    // Where this fails, the run has failed of the same before, and that is what must be heard.
    await metrics.flush().catch(() => {});
    try {
      writeReport(config, plan, prediction, used?.peakBytes);
    } catch (error) {
      notice?.(`The report could not be written: ${describeError(error)}`);
    }
  }
}

/** Refuses to go on with a run that was another. */
function compareRuns(out: string, settings: Record<string, unknown>): void {
  const text = readText(join(out, 'run.json'));
  if (text === undefined) return;
  const before = (JSON.parse(text) as { settings: Record<string, unknown> }).settings;
  const now = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
  const changed = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]),
  );
  if (changed.length === 0) return;
  const show = (value: unknown) => (JSON.stringify(value) ?? 'absent').slice(0, 40);
  const list = changed.slice(0, 4).map((key) => `${key} was ${show(before[key])} and is ${show(now[key])}`);
  throw new KaiwenError('bad_input', `${out} holds another run: ${list.join('; ')}.`, {
    remedy: 'Choose another out, go back to the settings of that run, or pass --fresh to start over.',
  });
}

/** Removes what a run writes, and nothing else. */
function discard(out: string): void {
  for (const name of ['run.json', 'checkpoints', 'metrics.jsonl', 'report.html', 'model', 'adapter', RESULT_FILE]) {
    rmSync(join(out, name), { recursive: true, force: true });
  }
}

/** The report is written anew whenever there is something new to see. */
function withReports(config: TrainConfig, plan: RunPlan, prediction: Prediction, events: RunEvents): RunEvents {
  return {
    ...events,
    record(record) {
      events.record?.(record);
      if (record.kind === 'validation' || record.kind === 'checkpoint') writeReport(config, plan, prediction);
    },
  };
}

function writeReport(config: TrainConfig, plan: RunPlan, prediction: Prediction, peakBytes?: number): void {
  const path = join(config.out, 'metrics.jsonl');
  if (!exists(path)) return;
  const html = renderReport({ config, plan, prediction, peakBytes, metrics: readText(path)! });
  try {
    writeFileSync(join(config.out, 'report.html'), html);
  } catch {
    // A run is worth more than its report; the next one may succeed.
  }
}

/** Says how much of the data the context cuts off; text goes on in another sequence instead. */
function noticeCuts(corpus: Corpus, context: number, notice: RunEvents['notice']): void {
  if (corpus.kind === 'text') return;
  let cut = 0;
  for (let i = 0; i < corpus.documents; i++) if (corpus.length(i) - 1 > context) cut++;
  if (cut > 0) {
    notice?.(
      `${cut} of ${corpus.documents} documents are longer than the context of ${context}: the rest is not learned.`,
    );
  }
}
