/**
 * A Hugging Face folder as a checkpoint: config.json, one safetensors file or many with an index, and beside them
 * the tokenizer, the chat template, generation defaults and the licence. Also a single .safetensors file whose
 * folder holds these.
 */
import { basename, join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import { findChatTemplate, findLicence } from './card.js';
import type { Checkpoint, JsonObject, TokenizerSource } from './checkpoint.js';
import { isObject, normaliseConfig, parseObject } from './config.js';
import { stackExperts } from './experts.js';
import { exists, listFolder, RandomAccessFile, readText } from './file.js';
import { label } from './label.js';
import { parseSafetensors, type SafetensorsEntry } from './safetensors.js';
import { extent, StoredCheckpoint, type StoredTensor } from './stored.js';

const DTYPE_BY_NAME: Readonly<Record<string, DType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

/** Prefixes of nested layouts, and what stands for them here. */
const PREFIXES: readonly [from: string, to: string][] = [
  ['model.language_model.', 'model.'],
  ['language_model.model.', 'model.'],
  ['language_model.lm_head.', 'lm_head.'],
];
const VISION = /^(?:model\.)?(?:visual|vision_tower|vision_model)\./;
const MTP = /^(?:model\.)?mtp\./;
/** Tables that old checkpoints saved with the weights; models compute them. */
const DERIVED = /\.(?:rotary_emb\.inv_freq|attn\.masked_bias|attn\.bias|position_ids)$/;

/** Opens a folder or a single .safetensors file; `single` is the latter's name. */
export function openHuggingFace(path: string, folder: string, single?: string): Checkpoint {
  const json = (name: string): JsonObject | undefined => {
    const text = readText(join(folder, name));
    return text === undefined ? undefined : parseObject(text, join(folder, name));
  };
  const raw = json('config.json');
  if (!raw) {
    throw new KaiwenError('not_found', `${join(folder, 'config.json')}: no such file.`, {
      remedy: 'A model folder holds config.json, the weights and the tokenizer.',
    });
  }
  const config = normaliseConfig(raw, join(folder, 'config.json'));
  const tokenizerConfig = json('tokenizer_config.json') ?? {};
  const files: RandomAccessFile[] = [];
  try {
    const { tensors, notices } = collect(readShards(folder, single, json('model.safetensors.index.json'), files));
    // Nested files say it twice; where they contradict themselves, the weights decide.
    const nested = isObject(raw.text_config) ? raw.text_config.tie_word_embeddings : undefined;
    if (typeof nested === 'boolean' && nested === !raw.tie_word_embeddings) {
      config.tie_word_embeddings = !tensors.has('lm_head.weight');
    }
    return new StoredCheckpoint({
      path,
      format: 'safetensors',
      config,
      generationConfig: { ...tokenIds(config), ...json('generation_config.json') },
      tensors,
      tokenizer: findTokenizer(folder, tokenizerConfig),
      chatTemplate: findChatTemplate(folder, tokenizerConfig, json('chat_template.json') ?? {}),
      licence: findLicence(folder),
      notices,
      files,
    });
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

interface Placed {
  file: RandomAccessFile;
  entry: SafetensorsEntry;
}

/** Every tensor of every file, as the files name them. Opened files are added to `files`, for the caller to close. */
function readShards(
  folder: string,
  single: string | undefined,
  index: JsonObject | undefined,
  files: RandomAccessFile[],
): Placed[] {
  const read = (name: string): Placed[] => {
    const file = new RandomAccessFile(join(folder, name));
    files.push(file);
    return [...parseSafetensors(file).entries.values()].map((entry) => ({ file, entry }));
  };
  if (single) return read(single);
  if (!index || exists(join(folder, 'model.safetensors'))) {
    const names = listFolder(folder).filter((name) => /^model(?:-\d+-of-\d+)?\.safetensors$/.test(name));
    if (names.length === 0) throw noWeights(folder);
    return names.includes('model.safetensors') ? read('model.safetensors') : names.flatMap(read);
  }

  const indexPath = join(folder, 'model.safetensors.index.json');
  const map = index.weight_map;
  if (!isObject(map)) {
    throw new KaiwenError('bad_file', `${indexPath}: weight_map is missing.`, { remedy: 'Download the file again.' });
  }
  const shards = new Map<string, Placed[]>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || basename(shard) !== shard || shard.includes('\\') || shard.startsWith('..')) {
      throw new KaiwenError(
        'bad_file',
        `${indexPath}: tensor '${label(tensor)}' is said to lie in '${label(shard)}'.`,
        {
          remedy: 'The index must name files of its own folder.',
        },
      );
    }
    if (!shards.has(shard)) shards.set(shard, read(shard));
  }
  const there = new Set<string>();
  const placed = [...shards].flatMap(([shard, tensors]) => tensors.filter(({ entry }) => map[entry.name] === shard));
  for (const { entry } of placed) there.add(entry.name);
  for (const tensor of Object.keys(map)) {
    if (!there.has(tensor)) {
      throw new KaiwenError('bad_file', `${join(folder, String(map[tensor]))}: tensor '${label(tensor)}' is missing.`, {
        remedy: 'Download the shard again.',
      });
    }
  }
  return placed;
}

function noWeights(folder: string): KaiwenError {
  const pickled = listFolder(folder).some((name) => /^pytorch_model.*\.bin$/.test(name));
  return new KaiwenError(
    pickled ? 'unsupported' : 'not_found',
    `${folder}: ${pickled ? 'the weights are pickled PyTorch files' : 'no model.safetensors'}.`,
    { remedy: pickled ? 'Use the safetensors files of this model.' : 'Download the weights into this folder.' },
  );
}

/** Kaiwen's names, one layout for experts, and what a text model does not need left out. */
function collect(placed: Placed[]): { tensors: Map<string, StoredTensor>; notices: string[] } {
  const stored: StoredTensor[] = [];
  let vision = 0;
  let mtp = 0;
  for (const { file, entry } of placed) {
    if (VISION.test(entry.name)) vision++;
    else if (MTP.test(entry.name)) mtp++;
    else if (!DERIVED.test(entry.name)) stored.push(toStored(file, entry));
  }
  const notices: string[] = [];
  if (vision > 0) notices.push(`Left out the vision tower (${vision} tensors): Kaiwen reads text only.`);
  if (mtp > 0)
    notices.push(`Left out the multi-token-prediction head (${mtp} tensors): Kaiwen predicts one token at a time.`);
  return { tensors: stackExperts(stored), notices };
}

function toStored(file: RandomAccessFile, entry: SafetensorsEntry): StoredTensor {
  const dtype = DTYPE_BY_NAME[entry.dtype];
  if (!dtype) {
    throw new KaiwenError('unsupported', `${file.path}: tensor '${label(entry.name)}' has the type ${entry.dtype}.`, {
      remedy: 'Use a checkpoint in F32, F16 or BF16, or a GGUF file.',
    });
  }
  const prefix = PREFIXES.find(([from]) => entry.name.startsWith(from));
  const name = prefix ? prefix[1] + entry.name.slice(prefix[0].length) : entry.name;
  const { shape, byteLength, offset } = entry;
  if (byteLength === 0) throw new KaiwenError('bad_file', `${file.path}: tensor '${label(entry.name)}' is empty.`);
  return { name, dtype, shape, byteLength, file: file.path, extents: [extent(file, offset, byteLength)] };
}

function findTokenizer(folder: string, config: JsonObject): TokenizerSource | undefined {
  const json = join(folder, 'tokenizer.json');
  if (exists(json)) return { kind: 'tokenizer.json', path: json, config };
  const names = listFolder(folder).filter((name) => name.endsWith('.tiktoken'));
  const name = names.includes('qwen.tiktoken') ? 'qwen.tiktoken' : names[0];
  return name === undefined ? undefined : { kind: 'tiktoken', path: join(folder, name), config };
}

/** Special ids that config.json names; generation_config.json overrules them. */
function tokenIds(config: JsonObject): JsonObject {
  const ids: JsonObject = {};
  for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) {
    const value = config[key];
    if (value !== undefined && value !== null) ids[key] = value;
  }
  return ids;
}
