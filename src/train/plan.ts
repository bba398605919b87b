/** The plan of a run in numbers, from settings, model and data, and what those numbers depend on. */
import type { TextSide } from '../data/text-side.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { physicalCores } from '../generate/machine.js';
import { Batches } from './batches.js';
import type { TrainConfig } from './config.js';
import type { Corpus } from './corpus.js';
import type { RunData } from './data.js';
import { chooseRates, chooseSizes, chooseSteps, type Facts, type RunPlan, type Sizes } from './defaults.js';
import { modelOfDepth } from './depth.js';
import type { LineageBase } from './lineage.js';
import { TrainableModel, type TrainableOptions } from './model.js';
import { STATE_BYTES } from './optimizer.js';

export interface Prepared {
  plan: RunPlan;
  /** Path of a checkpoint, or the configuration of a new model. */
  source: string | JsonObject;
  modelOptions: TrainableOptions;
  vocabSize: number;
  batches: Batches;
  validation?: Batches;
}

/** Decides what the settings leave open. Throws KaiwenError 'usage' where they do not fit the model. */
export function planRun(config: TrainConfig, side: TextSide, data: RunData): Prepared {
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

/** What the numbers of a run depend on. */
export function numbersOf(
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
