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
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTextSide, type TextSide } from '../data/text-side.js';
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { exists, readText } from '../formats/file.js';
import { openCheckpoint } from '../formats/open.js';
import { physicalCores } from '../generate/machine.js';
import { Batches } from './batches.js';
import { Checkpoints, writeJson } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import type { Corpus } from './corpus.js';
import { type DataOptions, openData, type RunData } from './data.js';
import { chooseRates, chooseSizes, chooseSteps, type Facts, type RunPlan, type Sizes } from './defaults.js';
import { modelOfDepth } from './depth.js';
import { Distillation } from './distill.js';
import { Preference, referenceOf } from './dpo.js';
import { RESULT_FILE, SETTINGS_FILE } from './files.js';
import { describeBase, type LineageBase } from './lineage.js';
import { lockFile } from './lock.js';
import { MetricsLog } from './metrics.js';
import { TrainableModel, type TrainableOptions } from './model.js';
import { Muon } from './muon.js';
import { NextToken, type Objective } from './objective.js';
import { AdamW, STATE_BYTES } from './optimizer.js';
import { checkMemory, measureBatch, type Prediction, predictMemory } from './predict.js';
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
  mkdirSync(config.out, { recursive: true });
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
  const { batches, validation } = prepared;
  const secondsPerStep = measureBatch(model, batches) * plan.accumulate;
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
  using teacher = config.distill && openTeacher(config.distill.teacher, prepared);
  const objective = await makeObjective(config, prepared, model, data, teacher);
  const metrics = new MetricsLog(join(config.out, 'metrics.jsonl'));
  const optimizerSettings = { betas: plan.betas, epsilon: config.epsilon, weightDecay: plan.weightDecay };
  const { samples } = config;
  const trainer = new Trainer(
    {
      ...{ model, objective, batches, checkpoints, metrics },
      optimizer: config.optimizer === 'muon' ? new Muon(model, optimizerSettings) : new AdamW(model, optimizerSettings),
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
    await metrics.flush();
    writeReport(config, plan, prediction, used?.peakBytes);
  }
}

interface Prepared {
  plan: RunPlan;
  /** Path of a checkpoint, or the configuration of a new model. */
  source: string | JsonObject;
  modelOptions: TrainableOptions;
  vocabSize: number;
  batches: Batches;
  validation?: Batches;
}

function planRun(config: TrainConfig, side: TextSide, data: RunData): Prepared {
  const { method, seed } = config;
  const source = config.model ?? newModel(config, side);
  const model = typeof source === 'string' ? configOf(source) : source;
  const facts: Facts = {
    hiddenSize: Number(model.hidden_size),
    maxContext: Number(model.max_position_embeddings ?? 2048),
    vocabSize: Number(model.vocab_size),
    parameters: 0,
    documents: data.train.documents,
    tokens: data.train.tokens,
    longest: longestOf(data.train),
  };
  const sizes = chooseSizes(config, facts);
  const threads = config.threads ?? physicalCores();
  const modelOptions = trainableOptions(config, sizes, threads);
  const { parameters, trained, flopsPerToken } = TrainableModel.plan(source, modelOptions);
  const packing = {
    ...{ rows: sizes.rows, context: sizes.context, seed, split: data.train.kind === 'text' },
    ...{ group: method === 'dpo' ? 2 : 1, vocabSize: facts.vocabSize },
  };
  const batches = new Batches(data.train, packing);
  const steps = chooseSteps(config, sizes, { ...facts, parameters }, (epoch) => batches.count(epoch));
  const rates = chooseRates(config, facts, steps);
  const validateEvery = config.validation?.every ?? Math.max(1, Math.min(500, Math.ceil(steps / 10)));
  return {
    plan: { ...sizes, ...rates, steps, threads, parameters, trained, flopsPerToken, validateEvery, from: 0 },
    ...{ source, modelOptions, batches, vocabSize: facts.vocabSize },
    validation: data.validation && new Batches(data.validation, { ...packing, shuffle: false }),
  };
}

function newModel(config: TrainConfig, { tokenizer }: TextSide): JsonObject {
  const { depth = 4, architecture = {}, context = 512 } = config;
  const eos = tokenizer.eosTokens[0];
  const named = eos === undefined ? architecture : { eos_token_id: eos, ...architecture };
  return modelOfDepth(depth, tokenizer.vocabSize, context, named as JsonObject);
}

function configOf(path: string): JsonObject {
  using checkpoint = openCheckpoint(path, { vocabulary: false });
  return checkpoint.config;
}

function longestOf(corpus: Corpus): number {
  let longest = 2;
  for (let i = 0; i < corpus.documents; i++) longest = Math.max(longest, corpus.length(i));
  return longest;
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

function trainableOptions(config: TrainConfig, { rows, context }: Sizes, threads: number): TrainableOptions {
  const { tuning = 'full', seed, base, neftune = 0, recompute = false, method } = config;
  const lora = { rank: 8, dropout: 0, rslora: false, dora: false, targets: 'all-linear' as const, ...config.lora };
  return {
    ...{ threads, rows, maxRun: context, checkpointing: recompute, neftune },
    train: tuning === 'full' ? 'all' : { lora: { ...lora, alpha: lora.alpha ?? 2 * lora.rank, seed } },
    base: tuning === 'qlora' ? base : 'file',
    optimizerBytesPerParameter: STATE_BYTES,
    distils: method === 'distill',
  };
}

async function makeObjective(
  config: TrainConfig,
  { plan, vocabSize }: Prepared,
  model: TrainableModel,
  data: RunData,
  teacher: TrainableModel | undefined,
): Promise<Objective> {
  if (config.method === 'dpo') {
    const { beta, label_smoothing: labelSmoothing, sft } = config.dpo ?? { beta: 0.1, label_smoothing: 0, sft: 0 };
    const sizes = { context: plan.context, rows: plan.rows, vocabSize };
    const reference = (corpus: Corpus, name: string) =>
      referenceOf(model, corpus, sizes, {
        path: join(config.out, `reference-${name}.bin`),
        key: `${config.model} ${corpus.hash} ${plan.context}`,
      });
    const train = await reference(data.train, 'train');
    const validation = data.validation && (await reference(data.validation, 'validation'));
    return new Preference(model, { beta, labelSmoothing, sft }, { train, validation });
  }
  if (teacher) {
    const { temperature, share } = config.distill!;
    return new Distillation(model, teacher, plan.rows, { temperature, share });
  }
  return new NextToken(model);
}

function openTeacher(path: string, { plan, vocabSize }: Prepared): TrainableModel {
  const { threads, rows, context } = plan;
  const teacher = TrainableModel.open(path, { threads, rows, maxRun: context, train: 'nothing' });
  const theirs = teacher.definition.vocabSize;
  if (theirs === vocabSize) return teacher;
  teacher[Symbol.dispose]();
  throw new KaiwenError('bad_input', `${path}: ${theirs} tokens, but the student has ${vocabSize}.`, {
    remedy: 'Teacher and student must have the same vocabulary.',
  });
}

/** Memory that a method takes beside its model. */
function extraBytes(config: TrainConfig, { rows, context, threads }: RunPlan, vocabSize: number): number {
  if (config.method !== 'distill') return 0;
  const teacher = TrainableModel.plan(config.distill!.teacher, { threads, rows, maxRun: context, train: 'nothing' });
  return teacher.arenaBytes + 4 * rows * vocabSize;
}

/** What the numbers of a run depend on. */
function numbersOf(
  config: TrainConfig,
  plan: RunPlan,
  data: RunData,
  side: TextSide,
  base?: LineageBase,
): Record<string, unknown> {
  const {
    out: _,
    threads: _t,
    model: _m,
    base: frozen,
    checkpoint: _c,
    samples: _s,
    data: _d,
    validation,
    preparation: _p,
    ...rest
  } = config;
  const { from: _f, threads: _pt, validateEvery: _v, flopsPerToken: _fl, ...decided } = plan;
  return {
    ...rest,
    ...decided,
    frozen,
    patience: validation?.patience,
    tokenizer: side.hash,
    base: base?.hash,
    data: data.train.hash,
    validation: data.validation?.hash,
  };
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
  writeFileSync(
    join(config.out, 'report.html'),
    renderReport({ config, plan, prediction, peakBytes, metrics: readText(path)! }),
  );
}
