/**
 * What the settings leave open, decided from the model and the data: the plan of a run in numbers. Whatever the numbers
 * of a run depend on is in here or in its configuration.
 */
import { KaiwenError } from '../errors.js';
import type { Method, TrainConfig } from './config.js';
import { batchTokensOfWidth, learningRateOfWidth, TOKENS_PER_PARAMETER } from './depth.js';
import type { ScheduleKind } from './schedule.js';

/** What is known of model and data when the defaults are chosen. */
export interface Facts {
  hiddenSize: number;
  /** Most tokens that the model can see. */
  maxContext: number;
  vocabSize: number;
  parameters: number;
  documents: number;
  /** Tokens of the training data, and of its longest document. */
  tokens: number;
  longest: number;
}

export interface Sizes {
  /** Longest sequence, and most rows of a batch. */
  context: number;
  rows: number;
  accumulate: number;
}

/** Rows that are computed at a time unless the settings say otherwise: enough to keep the kernels busy. */
const ROWS = 4096;
const TEACHER_VALUES = 1 << 26;

const EPOCHS: Record<Method, number> = { pretrain: 1, continue: 1, sft: 3, dpo: 1, distill: 1 };

/** How a batch is cut. Throws KaiwenError 'usage' if a sequence does not fit in. */
export function chooseSizes(config: TrainConfig, facts: Facts): Sizes {
  const { method } = config;
  const together = method === 'dpo' ? 2 : 1;
  const wanted = config.context ?? Math.min(method === 'pretrain' ? 512 : 1024, facts.maxContext);
  if (wanted > facts.maxContext) {
    throw usage(`context is ${wanted}, but the model sees ${facts.maxContext} tokens.`, 'Lower context.');
  }
  // Longer than the longest document is room that nothing fills.
  const context = Math.max(1, Math.min(wanted, facts.longest - 1));
  const least = context * together;
  // A thirty-second of an epoch, so that small data still make some steps.
  const share = 2 ** Math.round(Math.log2(Math.max(1, facts.tokens / 32)));
  const usual = method === 'pretrain' ? batchTokensOfWidth(facts.hiddenSize) : Math.min(8192, Math.max(512, share));
  const tokens = config.batch_tokens ?? Math.max(usual, least);
  // A teacher's logits of all rows exist at once.
  const usualRows = method === 'distill' ? Math.min(ROWS, Math.ceil(TEACHER_VALUES / facts.vocabSize)) : ROWS;
  const accumulate = config.accumulate ?? Math.max(1, Math.round(tokens / Math.max(usualRows, least)));
  const rows = Math.ceil(tokens / accumulate);
  if (rows >= least) return { context, rows, accumulate };
  if (config.context === undefined && rows >= together) {
    return { context: Math.floor(rows / together), rows, accumulate };
  }
  const what = together > 1 ? 'pairs of sequences' : 'sequences';
  throw usage(
    `Batches of ${rows} tokens (batch_tokens / accumulate) do not hold ${what} of ${context} (context).`,
    'Raise batch_tokens, or lower accumulate or context.',
  );
}

/** Steps of the run; `batchesOf` tells the batches of an epoch. */
export function chooseSteps(
  config: TrainConfig,
  { accumulate, rows }: Sizes,
  facts: Facts,
  batchesOf: (epoch: number) => number,
): number {
  if (config.steps) return config.steps;
  if (config.method === 'pretrain' && !config.epochs) {
    return Math.max(1, Math.ceil((TOKENS_PER_PARAMETER * facts.parameters) / (rows * accumulate)));
  }
  let batches = 0;
  for (let epoch = 0; epoch < (config.epochs ?? EPOCHS[config.method]); epoch++) batches += batchesOf(epoch);
  return Math.max(1, Math.ceil(batches / accumulate));
}

export interface Rates {
  learningRate: number;
  schedule: ScheduleKind;
  warmup: number;
  floor: number;
  betas: readonly [number, number];
  weightDecay: number;
}

/** Learning rate and what goes with it. */
export function chooseRates(config: TrainConfig, { hiddenSize }: Facts, steps: number): Rates {
  const { method, tuning = 'full' } = config;
  const fresh = method === 'pretrain';
  const full = learningRateOfWidth(hiddenSize);
  const shares: Record<Method, number> = { pretrain: 1, continue: 0.3, sft: 0.1, dpo: 0.01, distill: 0.3 };
  // Adapters start from nothing and take steps as large as those of a new model.
  const adapters: Record<Method, number> = { pretrain: 1, continue: 0.5, sft: 0.5, dpo: 0.05, distill: 0.5 };
  const share = tuning === 'full' ? shares[method] : adapters[method];
  const warmup = config.warmup ?? 0.05;
  return {
    learningRate: config.learning_rate ?? Number((full * share).toPrecision(2)),
    schedule: config.schedule ?? 'cosine',
    warmup: Math.min(steps, warmup < 1 ? Math.min(500, Math.round(warmup * steps)) : Math.round(warmup)),
    floor: config.floor ?? (fresh ? 0.1 : 0),
    betas: config.betas ?? (fresh ? [0.9, 0.95] : [0.9, 0.999]),
    weightDecay: config.weight_decay ?? (fresh ? 0.1 : tuning === 'full' ? 0.01 : 0),
  };
}

/** Everything that was decided before the first step. */
export interface RunPlan extends Sizes, Rates {
  steps: number;
  threads: number;
  parameters: number;
  trained: number;
  flopsPerToken: number;
  validateEvery: number;
  /** Step that the run goes on from. */
  from: number;
}

function usage(message: string, remedy: string): KaiwenError {
  return new KaiwenError('usage', message, { remedy });
}
