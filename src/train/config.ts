/**
 * The settings of a training run, as a YAML file or flags spell them. Strict: a key that does not exist is refused with
 * the nearest that does, and where it stands. What is absent here gets its default in defaults.ts, from the model and data.
 */
import { z } from 'zod';
import { SHAPES } from '../data/shapes.js';
import type { Complaint } from '../formats/yaml.js';
import { SCHEDULES } from './schedule.js';

export const METHODS = ['pretrain', 'continue', 'sft', 'dpo', 'distill'] as const;
export type Method = (typeof METHODS)[number];

const count = z.int().min(1);
const share = z.number().min(0).max(1);
const positive = z.number().gt(0);

const validation = z.strictObject({
  data: z.string().optional().describe('file or shard folder to validate on'),
  share: z.number().gt(0).lt(0.5).optional().describe('else: share of the documents that is held back'),
  every: count.optional().describe('steps between validations'),
  tokens: count.default(50_000).describe('most tokens of one validation'),
  patience: count.optional().describe('stop after so many validations without a lower loss; the best model is kept'),
});

const lora = z.strictObject({
  rank: z.int().min(1).max(1024).default(8),
  alpha: positive.optional().describe('scale of the update is alpha / rank; twice the rank by default'),
  dropout: z.number().min(0).lt(1).default(0),
  rslora: z.boolean().default(false).describe('scale by alpha / √rank'),
  dora: z.boolean().default(false).describe('learn magnitudes too'),
  targets: z
    .union(
      [z.literal('all-linear'), z.array(z.string().min(1)).min(1)],
      'must be "all-linear" or a list of layer names',
    )
    .default('all-linear'),
});

const dpo = z.strictObject({
  beta: positive.default(0.1).describe('how close to stay to the model before'),
  label_smoothing: z.number().min(0).lt(0.5).default(0),
  sft: z.number().min(0).default(0).describe("weight of the chosen answer's own loss"),
});

const distill = z.strictObject({
  teacher: z.string().describe('checkpoint with the same vocabulary'),
  temperature: positive.default(1),
  share: share.default(0.9).describe("the teacher's share of the loss; the rest is the text's"),
});

const checkpoint = z.strictObject({
  minutes: positive.default(5).describe('minutes between checkpoints'),
  steps: count.optional().describe('steps between checkpoints instead'),
  keep: count.default(2).describe('newest checkpoints that stay'),
});

const preparation = z.strictObject({
  loss: z.enum(['assistant', 'last', 'all']).optional().describe('which turns are learned'),
  shape: z.enum(SHAPES).optional().describe('shape of the records; found out by their fields otherwise'),
  fields: z.record(z.string(), z.string()).optional().describe("the data's names of fields to the shape's"),
  plain: z.boolean().optional().describe('prompt and completion are plain text, not turns'),
  think: z.boolean().optional(),
  end_token: z.string().optional(),
  max_tokens: count.optional().describe('longer conversations are left out'),
  strict: z.boolean().optional().describe('stop at the first bad record'),
  max_faults: count.optional(),
});

const samples = z.strictObject({
  prompts: z.array(z.string()).min(1).describe('texts to continue; questions where the data are conversations'),
  every: count.optional().describe('steps between samples; with each validation by default'),
  tokens: count.default(48).describe('longest sample'),
});

export const TrainConfig = z.strictObject({
  method: z.enum(METHODS),
  out: z.string().min(1).describe('folder of the run'),
  seed: z.int().min(0).max(0xffffffff).default(1),
  threads: z.int().min(1).max(256).optional(),

  model: z.string().optional().describe('checkpoint to start from'),
  depth: z.int().min(1).max(64).optional().describe('layers of a new model; sets everything else'),
  architecture: z.record(z.string(), z.json()).optional().describe("fields of a new model's config.json"),
  tokenizer: z.string().optional().describe('tokenizer of a new model: folder or tokenizer.json'),

  data: z.union([z.string(), z.array(z.string()).min(1)], 'must be a path or a list of paths'),
  preparation: preparation.optional().describe('how raw files are read, as for kaiwen data prepare'),
  validation: validation.optional(),
  context: z.int().min(2).max(1_048_576).optional().describe('longest sequence in tokens'),

  batch_tokens: count
    .max(1 << 26)
    .optional()
    .describe('tokens of a step'),
  accumulate: count.max(16_384).optional().describe('parts in which a step is computed: less memory, same result'),
  steps: count.optional(),
  epochs: count.optional(),

  optimizer: z.enum(['adamw', 'muon']).default('adamw'),
  learning_rate: positive.optional(),
  schedule: z.enum(SCHEDULES).optional(),
  warmup: z.number().min(0).optional().describe('steps, or a share of them if below 1'),
  floor: share.optional().describe('share of the learning rate that is left at the end'),
  decay: share.default(0.2).describe('wsd: share of the steps in which the rate falls'),
  betas: z.tuple([share, share]).optional(),
  epsilon: positive.default(1e-8),
  weight_decay: z.number().min(0).optional(),
  clip: z.number().min(0).default(1).describe('longest gradient; 0 is off'),

  tuning: z.enum(['full', 'lora', 'qlora']).optional().describe('what is trained of an existing model'),
  base: z.enum(['q8_0', 'q4_0', 'q4_k']).default('q8_0').describe('qlora: type of the frozen weights'),
  lora: lora.optional(),
  neftune: positive.optional().describe('noise on embeddings while training'),
  dpo: dpo.optional(),
  distill: distill.optional(),
  recompute: z.boolean().optional().describe('compute blocks again in the backward pass: less memory, more time'),

  checkpoint: checkpoint.prefault({}),
  samples: samples.optional(),
});

/** As written, with the defaults that depend on nothing else. */
export type TrainConfig = z.infer<typeof TrainConfig>;

/** Keys that belong to some methods only. */
const BELONGS: Partial<Record<keyof TrainConfig, readonly Method[]>> = {
  depth: ['pretrain'],
  architecture: ['pretrain'],
  tokenizer: ['pretrain'],
  model: ['continue', 'sft', 'dpo', 'distill'],
  tuning: ['continue', 'sft', 'dpo', 'distill'],
  lora: ['continue', 'sft', 'dpo', 'distill'],
  dpo: ['dpo'],
  distill: ['distill'],
};

/** What the schema cannot say: keys that need or exclude one another. */
export function contradictions(config: TrainConfig): Complaint[] {
  const found: Complaint[] = [];
  const complain = (key: keyof TrainConfig, message: string) => found.push({ path: [key], message });
  const { method, tuning = 'full' } = config;
  for (const [key, methods] of Object.entries(BELONGS) as [keyof TrainConfig, readonly Method[]][]) {
    if (config[key] !== undefined && !methods.includes(method)) {
      complain(key, `belongs to ${methods.join(', ')}, but the method is ${method}`);
    }
  }
  if (method === 'pretrain') {
    if (!config.depth && !config.architecture) complain('method', 'pretrain needs depth (or architecture)');
    if (!config.tokenizer) complain('method', 'pretrain needs tokenizer');
  } else if (!config.model) complain('method', `${method} needs model`);
  if (method === 'distill' && !config.distill) complain('method', 'distill needs distill.teacher');
  if (config.steps && config.epochs) complain('epochs', 'steps and epochs exclude one another');
  if (config.lora && tuning === 'full') complain('lora', 'needs tuning: lora or tuning: qlora');
  if (config.validation?.data && config.validation.share) complain('validation', 'has both data and share');
  return found;
}
