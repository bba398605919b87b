/**
 * The small files of a Hugging Face folder: copied from the folder that the model came from, or rebuilt from the
 * metadata of a GGUF file.
 */
import { copyFile, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DType } from '../tensor/dtype.js';
import { definitionFromGguf } from '../tokenizer/from-gguf.js';
import type { Checkpoint, JsonObject } from './checkpoint.js';
import { tokenizerJson } from './tokenizer-json.js';

const COPIED =
  /^(?:tokenizer\.json|tokenizer_config\.json|vocab\.json|merges\.txt|special_tokens_map\.json|added_tokens\.json|generation_config\.json|chat_template\.(?:jinja|json)|.*\.tiktoken|README\.md|(?:LICEN[CS]E|NOTICE).*)$/;

/** PyTorch's names of the types. */
const TORCH_TYPES: Partial<Record<DType, string>> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' };

/** Where a model's small files come from. */
export type FilesSource = Pick<
  Checkpoint,
  'format' | 'path' | 'tokenizer' | 'chatTemplate' | 'generationConfig' | 'licence'
>;

/** Writes config.json and what belongs to the tokenizer and the licence into `folder`. `config` is the model's own. */
export async function writeModelFiles(
  folder: string,
  checkpoint: FilesSource,
  config: JsonObject,
  dtype: DType,
): Promise<void> {
  const { kaiwen_rope_interleaved: _, kaiwen_value_heads_tiled: __, ...fields } = config;
  const ids: JsonObject = {};
  for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) {
    const value = checkpoint.generationConfig[key];
    if (value !== undefined && fields[key] === undefined) ids[key] = value;
  }
  await writeJson(folder, 'config.json', { ...fields, ...ids, torch_dtype: TORCH_TYPES[dtype]! });
  await writeTokenizerFiles(folder, checkpoint);
}

/** Writes what belongs to the tokenizer, the chat template, generation and the licence into `folder`. */
export async function writeTokenizerFiles(folder: string, checkpoint: FilesSource): Promise<void> {
  if (checkpoint.format === 'safetensors') {
    const path = checkpoint.path;
    const source = (await stat(path)).isDirectory() ? path : dirname(path);
    for (const name of await readdir(source)) {
      if (COPIED.test(name)) await copyFile(join(source, name), join(folder, name));
    }
    return;
  }
  const generation: JsonObject = { ...checkpoint.generationConfig };
  // transformers ignores a temperature unless told to sample.
  if (generation.temperature !== undefined) generation.do_sample ??= true;
  if (Object.keys(generation).length > 0) await writeJson(folder, 'generation_config.json', generation);
  if (checkpoint.licence) await writeFile(join(folder, 'README.md'), `---\nlicense: ${checkpoint.licence}\n---\n`);
  if (checkpoint.tokenizer?.kind === 'gguf') {
    const { metadata } = checkpoint.tokenizer;
    const json = metadata['tokenizer.huggingface.json'];
    const text = typeof json === 'string' ? json : tokenizerJson(definitionFromGguf(metadata));
    await writeFile(join(folder, 'tokenizer.json'), text);
    await writeJson(folder, 'tokenizer_config.json', tokenizerConfig(checkpoint, metadata));
  } else if (checkpoint.chatTemplate) {
    await writeFile(join(folder, 'chat_template.jinja'), checkpoint.chatTemplate);
  }
}

/** tokenizer_config.json for a tokenizer from a GGUF file's metadata. */
export function tokenizerConfig(
  { chatTemplate }: Pick<Checkpoint, 'chatTemplate'>,
  metadata: Readonly<Record<string, unknown>>,
): JsonObject {
  const { addBos } = definitionFromGguf(metadata);
  const tokens = metadata['tokenizer.ggml.tokens'] as string[];
  const config: JsonObject = { tokenizer_class: 'PreTrainedTokenizerFast', add_bos_token: addBos };
  for (const [field, key] of [
    ['bos_token', 'bos'],
    ['eos_token', 'eos'],
    ['pad_token', 'padding'],
  ]) {
    const id = metadata[`tokenizer.ggml.${key}_token_id`];
    if (typeof id === 'number' && tokens[id] !== undefined) config[field] = tokens[id];
  }
  if (chatTemplate) config.chat_template = chatTemplate;
  return config;
}

/** Writes a value as an indented JSON file. */
export async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}
