/**
 * What a GGUF file is made of: each tensor by GGUF's name, with the type, row order and stored form that llama.cpp
 * expects, and the metadata. Nothing is read before the writer asks for a tensor's pieces.
 */
import { basename, resolve } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { architectureOfConfig, type GgufValue, ggufFromConfig } from './gguf-config.js';
import { toGgufName } from './gguf-names.js';
import { tokenizerMetadata } from './gguf-tokenizer.js';
import type { TensorSource } from './gguf-writer.js';
import { tensorPieces } from './pieces.js';
import { type ConvertType, FILE_TYPES, mixedType } from './quant-mix.js';
import { orderFor } from './reorder.js';
import { ropeDivisors } from './rope-freqs.js';

export interface GgufPlan {
  tensors: TensorSource[];
  metadata: Map<string, GgufValue>;
}

/** The tensors and metadata of a GGUF file. Throws 'unsupported' for tensors that GGUF has no name for. */
export function planGguf(checkpoint: Checkpoint, type: ConvertType): GgufPlan {
  const { config } = checkpoint;
  const architecture = architectureOfConfig(config, checkpoint.path);
  const tied = config.tie_word_embeddings === true || !checkpoint.tensors.has('lm_head.weight');
  const context = { layers: Number(config.num_hidden_layers), tied };
  const tensors: TensorSource[] = [];
  let rows = Number(config.vocab_size);
  for (const tensor of checkpoint.tensors.values()) {
    if (tied && tensor.name === 'lm_head.weight') continue;
    const known = toGgufName(architecture, tensor.name);
    if (!known) {
      throw new KaiwenError('unsupported', `${tensor.file}: GGUF has no name for tensor '${tensor.name}'.`, {
        remedy: `It is no part of a ${architecture.className} that Kaiwen knows.`,
      });
    }
    const { rule, name } = known;
    const shape = squeeze(tensor.shape, rule.squeeze);
    const dtype = mixedType(type, name, shape, context);
    const order = orderFor(rule, tensor.shape, config, 'gguf');
    const width = order.rows && tensor.shape.length === 1 ? 1 : undefined;
    const change = rule.stored && CHANGES[rule.stored];
    if (name === 'token_embd.weight') rows = tensor.shape[0];
    tensors.push({
      name,
      dtype,
      shape,
      pieces: () => tensorPieces(checkpoint, tensor, dtype, { ...order, width, change }),
    });
  }
  const divisors = checkpoint.tensors.has('rope_freqs.weight') ? undefined : ropeDivisors(config);
  if (divisors) {
    const bytes = new Uint8Array(divisors.buffer);
    tensors.push({ name: 'rope_freqs.weight', dtype: 'f32', shape: [divisors.length], pieces: () => [bytes] });
  }
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: architecture.gguf }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.name', { type: 'string', value: nameOf(checkpoint) }],
    ['general.file_type', { type: 'u32', value: FILE_TYPES[type] }],
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ...generalMetadata(checkpoint),
    ...ggufFromConfig(architecture, config),
    ...tokenizerMetadata(checkpoint, rows),
  ]);
  return { tensors, metadata };
}

/** What GGUF keeps of a tensor instead of its values. */
const CHANGES = {
  'plus-one': (values: Float32Array) => {
    for (let i = 0; i < values.length; i++) values[i] += 1;
  },
  'negated-exp': (values: Float32Array) => {
    for (let i = 0; i < values.length; i++) values[i] = -Math.exp(values[i]);
  },
};

function squeeze(shape: readonly number[], axis: 'middle' | 'first' | undefined): readonly number[] {
  if (axis === 'middle' && shape.length === 3 && shape[1] === 1) return [shape[0], shape[2]];
  if (axis === 'first' && shape.length === 2 && shape[0] === 1) return [shape[1]];
  return shape;
}

/** Sampling defaults: [field of generation_config.json, GGUF key, type]. */
const SAMPLING = [
  ['temperature', 'temp', 'f32'],
  ['top_k', 'top_k', 'i32'],
  ['top_p', 'top_p', 'f32'],
  ['min_p', 'min_p', 'f32'],
  ['repetition_penalty', 'penalty_repeat', 'f32'],
] as const;

function generalMetadata({ generationConfig, licence }: Checkpoint): [string, GgufValue][] {
  const entries: [string, GgufValue][] = [];
  if (licence !== undefined) entries.push(['general.license', { type: 'string', value: licence }]);
  for (const [field, key, type] of SAMPLING) {
    const value = generationConfig[field];
    if (typeof value === 'number') entries.push([`general.sampling.${key}`, { type, value }]);
  }
  return entries;
}

function nameOf({ path }: Checkpoint): string {
  return basename(resolve(path)).replace(/\.(?:gguf|safetensors)$/, '');
}
