/**
 * A GGUF file, or one split over several, as a checkpoint: names, shapes and conventions as Hugging Face has them.
 * Large tensors stay as the file has them, bytes and row order; `config` says where the order differs.
 */
import { basename, dirname, join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { Checkpoint, JsonObject } from './checkpoint.js';
import { normaliseConfig } from './config.js';
import { stackExperts } from './experts.js';
import { exists, RandomAccessFile } from './file.js';
import { type GgufTensor, parseGguf } from './gguf.js';
import { architectureOfGguf, configFromGguf } from './gguf-config.js';
import { type Architecture, fromGgufName, type TensorRule } from './gguf-names.js';
import { label } from './label.js';
import { extent, StoredCheckpoint, type StoredTensor } from './stored.js';

type Metadata = Readonly<Record<string, unknown>>;

/** `model-00002-of-00005.gguf`: any part opens the whole. */
const SPLIT = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/** Opens a GGUF file by any of its parts. */
export function openGguf(path: string, vocabulary = true): Checkpoint {
  const files: RandomAccessFile[] = [];
  try {
    const parts = partsOf(path).map((part) => {
      const file = new RandomAccessFile(part);
      files.push(file);
      return { file, header: parseGguf(file, vocabulary) };
    });
    // Only the first part has the model's metadata.
    const { metadata } = parts[0]!.header;
    const first = files[0]!.path;
    if (metadata['general.type'] !== undefined && metadata['general.type'] !== 'model') {
      throw new KaiwenError('unsupported', `${first}: general.type is '${label(metadata['general.type'])}'.`, {
        remedy: 'Give the file of the language model.',
      });
    }
    const count = metadata['split.count'];
    if (typeof count === 'number' && count > 1 && count !== parts.length) {
      throw new KaiwenError('bad_file', `${first}: one of ${count} parts, but its name does not say so.`, {
        remedy: 'Give the parts their names ending in -00001-of-0000N.gguf back.',
      });
    }
    const architecture = architectureOfGguf(metadata, first);
    const named = new Map<string, { file: RandomAccessFile; tensor: GgufTensor }>();
    for (const { file, header } of parts) {
      for (const tensor of header.tensors.values()) {
        if (named.has(tensor.name)) {
          throw new KaiwenError('bad_file', `${file.path}: tensor '${label(tensor.name)}' occurs in two parts.`);
        }
        named.set(tensor.name, { file, tensor });
      }
    }
    const facts = {
      vocabSize: named.get('token_embd.weight')?.tensor.shape[0],
      hasOutput: named.has('output.weight'),
    };
    const config = normaliseConfig(configFromGguf(architecture, metadata, facts, first), first);
    const layers = Number(config.num_hidden_layers);
    const extra = metadata[`${architecture.gguf}.nextn_predict_layers`];
    const mtp = { from: layers, to: layers + (typeof extra === 'number' ? extra : 0) };
    const { tensors, notices } = translate(architecture, named.values(), mtp);
    return new StoredCheckpoint({
      path,
      format: 'gguf',
      config,
      generationConfig: generationConfig(metadata),
      tensors,
      tokenizer: hasTokenizer(metadata) ? { kind: 'gguf', metadata } : undefined,
      chatTemplate: text(metadata['tokenizer.chat_template']),
      licence: text(metadata['general.license.name']) ?? text(metadata['general.license']),
      notices,
      files,
    });
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** Our converter marks the vocabulary that it makes up for weights without a tokenizer. */
function hasTokenizer(metadata: Metadata): boolean {
  return 'tokenizer.ggml.tokens' in metadata && metadata['tokenizer.kaiwen.placeholder'] !== true;
}

function partsOf(path: string): string[] {
  const match = SPLIT.exec(basename(path));
  if (!match) return [path];
  const [, stem, , total] = match as unknown as [string, string, string, string];
  const parts: string[] = [];
  for (let i = 1; i <= Number(total); i++) {
    const part = join(dirname(path), `${stem}-${String(i).padStart(5, '0')}-of-${total}.gguf`);
    if (!exists(part)) {
      throw new KaiwenError('not_found', `${part}: no such file.`, {
        remedy: `Put all ${Number(total)} parts in one folder.`,
      });
    }
    parts.push(part);
  }
  return parts.length > 0 ? parts : [path];
}

/** `heads`: the blocks of a multi-token-prediction head, which stand behind the model's. */
function translate(
  architecture: Architecture,
  named: Iterable<{ file: RandomAccessFile; tensor: GgufTensor }>,
  heads: { from: number; to: number },
): { tensors: Map<string, StoredTensor>; notices: string[] } {
  const stored: StoredTensor[] = [];
  let mtp = 0;
  for (const { file, tensor } of named) {
    const layer = /^blk\.(\d+)\./.exec(tensor.name)?.[1];
    if (layer !== undefined && Number(layer) >= heads.from && Number(layer) < heads.to) {
      mtp++;
      continue;
    }
    const known = fromGgufName(architecture, tensor.name);
    const { dtype, byteLength } = tensor;
    const restore = known?.rule.stored && (known.rule.stored === 'plus-one' ? 'minus-one' : 'log-negated');
    if (restore && dtype !== 'f32') {
      throw new KaiwenError('unsupported', `${file.path}: tensor '${label(tensor.name)}' has the type ${dtype}.`, {
        remedy: 'Norms must be stored as f32.',
      });
    }
    stored.push({
      name: known?.name ?? tensor.name,
      dtype,
      shape: known ? unsqueeze(tensor.shape, known.rule) : tensor.shape,
      byteLength,
      file: file.path,
      extents: [extent(file, tensor.offset, byteLength)],
      ...(restore && { restore }),
    });
  }
  const notices =
    mtp > 0 ? [`Left out the multi-token-prediction head (${mtp} tensors): Kaiwen predicts one token at a time.`] : [];
  return { tensors: stackExperts(stored), notices };
}

function unsqueeze(shape: readonly number[], { squeeze }: TensorRule): readonly number[] {
  if (squeeze === 'middle' && shape.length === 2) return [shape[0]!, 1, shape[1]!];
  if (squeeze === 'first' && shape.length === 1) return [1, shape[0]!];
  return shape;
}

/** Sampling defaults and special ids: [GGUF key, field of generation_config.json]. */
const GENERATION: readonly [key: string, field: string][] = [
  ['tokenizer.ggml.bos_token_id', 'bos_token_id'],
  ['tokenizer.ggml.padding_token_id', 'pad_token_id'],
  ['general.sampling.temp', 'temperature'],
  ['general.sampling.top_k', 'top_k'],
  ['general.sampling.top_p', 'top_p'],
  ['general.sampling.min_p', 'min_p'],
  ['general.sampling.penalty_repeat', 'repetition_penalty'],
];

function generationConfig(metadata: Metadata): JsonObject {
  const result: JsonObject = {};
  for (const [key, field] of GENERATION) {
    const value = metadata[key];
    // Seven digits say what a float32 was written from: 0.7, not 0.699999988.
    if (typeof value === 'number') result[field] = Number(value.toPrecision(7));
  }
  const ends = ['eos', 'eot', 'eom'].map((name) => metadata[`tokenizer.ggml.${name}_token_id`]);
  const ids = [...new Set(ends.filter((id): id is number => typeof id === 'number'))];
  if (ids.length > 0) result.eos_token_id = ids;
  return result;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
