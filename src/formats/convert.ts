/**
 * From one checkpoint to another: GGUF or a Hugging Face folder in, GGUF (quantised or not) or a folder of
 * safetensors (f32, f16, bf16) out. A plan lists the tensors of the target with what each is made from; a writer
 * then streams them. What the formats order or store differently is looked up in gguf-names.ts.
 */
import { realpathSync, statSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { basename, resolve, sep } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import type { Checkpoint, JsonObject, TensorInfo } from './checkpoint.js';
import { architectureOfConfig, type GgufValue, ggufFromConfig } from './gguf-config.js';
import { toGgufName } from './gguf-names.js';
import { tokenizerMetadata } from './gguf-tokenizer.js';
import { type TensorSource, tensorBytes, writeGguf } from './gguf-writer.js';
import { writeModelFiles } from './model-folder.js';
import { openCheckpoint } from './open.js';
import { checkTarget, replaceTarget } from './output.js';
import { tensorPieces } from './pieces.js';
import { type ConvertType, FILE_TYPES, mixedType } from './quant-mix.js';
import { orderFor } from './reorder.js';
import { ropeDivisors, scalingFromDivisors } from './rope-freqs.js';
import { writeSafetensors } from './safetensors-writer.js';

export interface ConvertOptions {
  /** Default: q8_0 for GGUF, bf16 for a folder. */
  type?: ConvertType;
  /** Replace what is at the output path. */
  force?: boolean;
  onProgress?: (writtenBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface ConvertResult {
  format: 'gguf' | 'safetensors';
  type: ConvertType;
  /** Bytes of tensor data written, and the number of tensors of each type. */
  bytes: number;
  tensors: Partial<Record<DType, number>>;
  notices: readonly string[];
}

/**
 * Writes the model at `input` to `output`: a GGUF file if the name ends in .gguf, else a folder. Nothing appears at
 * `output` before all is written. Throws KaiwenError: 'usage' for a type the target cannot have, 'bad_input' if
 * `output` exists or is `input`, 'io' if the disk refuses, 'aborted', and what opening a checkpoint throws.
 */
export async function convert(input: string, output: string, options: ConvertOptions = {}): Promise<ConvertResult> {
  const format = output.toLowerCase().endsWith('.gguf') ? 'gguf' : 'safetensors';
  const type = options.type ?? (format === 'gguf' ? 'q8_0' : 'bf16');
  if (format === 'safetensors' && type !== 'f32' && type !== 'f16' && type !== 'bf16') {
    throw new KaiwenError('usage', `A safetensors folder cannot hold ${type}.`, {
      remedy: 'Choose f32, f16 or bf16, or give the output a name that ends in .gguf.',
    });
  }
  using checkpoint = openCheckpoint(input);
  await checkPaths(checkpoint, input, output, format, options.force === true);
  const plan = format === 'gguf' ? planGguf(checkpoint, type) : planSafetensors(checkpoint, type as DType);
  const bytes = plan.tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const { force, signal, onProgress } = options;
  const progress = { signal, onBytes: onProgress && ((written: number) => onProgress(written, bytes)) };

  await replaceTarget(output, { force, bytes }, async (temporary) => {
    if (plan.metadata) return writeGguf(temporary, plan.metadata, plan.tensors, progress);
    await mkdir(temporary);
    await writeModelFiles(temporary, checkpoint, plan.config, type as DType);
    await writeSafetensors(temporary, plan.tensors, progress);
  });
  const counts: Partial<Record<DType, number>> = {};
  for (const { dtype } of plan.tensors) counts[dtype] = (counts[dtype] ?? 0) + 1;
  return { format, type, bytes, tensors: counts, notices: checkpoint.notices };
}

interface Plan {
  tensors: TensorSource[];
  config: JsonObject;
  /** Of a GGUF file. */
  metadata?: Map<string, GgufValue>;
}

function planGguf(checkpoint: Checkpoint, type: ConvertType): Plan {
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
  return { tensors, config, metadata };
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

function planSafetensors(checkpoint: Checkpoint, dtype: DType): Plan {
  const config = { ...checkpoint.config };
  const architecture = architectureOfConfig(config, checkpoint.path);
  const tensors: TensorSource[] = [];
  for (const tensor of checkpoint.tensors.values()) {
    if (tensor.name === 'rope_freqs.weight') {
      config.rope_scaling = restoreScaling(checkpoint, tensor);
      continue;
    }
    const rule = toGgufName(architecture, tensor.name)?.rule;
    const order = rule ? orderFor(rule, tensor.shape, config, 'safetensors') : {};
    const width = order.rows && tensor.shape.length === 1 ? 1 : undefined;
    const experts = /^(.*\.mlp\.experts)\.((?:gate|up|down)_proj\.weight)$/.exec(tensor.name);
    if (!experts) {
      const pieces = () => tensorPieces(checkpoint, tensor, dtype, { ...order, width });
      tensors.push({ name: tensor.name, dtype, shape: tensor.shape, pieces });
      continue;
    }
    const [count, rowCount, columns] = tensor.shape;
    for (let i = 0; i < count; i++) {
      const pieces = () => tensorPieces(checkpoint, tensor, dtype, { firstRow: i * rowCount, rowCount });
      tensors.push({ name: `${experts[1]}.${i}.${experts[2]}`, dtype, shape: [rowCount, columns], pieces });
    }
  }
  return { tensors, config };
}

function restoreScaling(checkpoint: Checkpoint, tensor: TensorInfo): JsonObject {
  const stored = new Float32Array(tensor.shape[0]);
  checkpoint.read(tensor, new Uint8Array(stored.buffer));
  const scaling = scalingFromDivisors(stored, checkpoint.config);
  if (scaling) return scaling;
  throw new KaiwenError('unsupported', `${tensor.file}: rope_freqs.weight is not Llama 3's rotary scaling.`, {
    remedy: 'Convert from the original checkpoint, or to GGUF.',
  });
}

/** Refuses to write over the input, and to replace a folder that is no model. */
async function checkPaths(
  checkpoint: Checkpoint,
  input: string,
  output: string,
  format: ConvertResult['format'],
  force: boolean,
): Promise<void> {
  const target = statSync(output, { throwIfNoEntry: false });
  if (target) {
    const place = realpathSync(output);
    for (const path of [input, ...[...checkpoint.tensors.values()].map(({ file }) => file)]) {
      const source = realpathSync(path);
      if (source === place || source.startsWith(place + sep)) {
        throw new KaiwenError('bad_input', `${output} is the model that is read.`, { remedy: 'Choose another name.' });
      }
    }
  }
  await checkTarget(output, force);
  if (!target) return;
  const names = target.isDirectory() ? await readdir(output) : [];
  const replaceable = target.isDirectory()
    ? format === 'safetensors' && (names.length === 0 || names.includes('config.json'))
    : format === 'gguf';
  if (!replaceable) {
    throw new KaiwenError('bad_input', `${output} is no model that could be replaced.`, {
      remedy: 'Choose another name.',
    });
  }
}

function nameOf({ path }: Checkpoint): string {
  return basename(resolve(path)).replace(/\.(?:gguf|safetensors)$/, '');
}
