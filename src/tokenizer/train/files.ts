/** A tokenizer's files: found in whatever form they are, and written as Hugging Face's two. */
import { statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, JsonObject, TokenizerSource } from '../../formats/checkpoint.js';
import { tokenizerConfig } from '../../formats/model-folder.js';
import { openCheckpoint } from '../../formats/open.js';
import { tokenizerJson } from '../../formats/tokenizer-json.js';
import { readDefinition, readTokenizerText, tokenizerSource } from '../load.js';

export interface TokenizerFiles {
  /** Text of tokenizer.json, written from the definition where the source has another form. */
  json: string;
  /** The source, for messages. */
  file: string;
  /** Fields of tokenizer_config.json, the chat template among them. */
  config: JsonObject;
  /** Rows of the model's embedding, where the source is a model. */
  rows?: number;
}

/** Throws KaiwenError as openTokenizer does. */
export function openTokenizerFiles(path: string): TokenizerFiles {
  const source = tokenizerSource(path);
  const file = source.kind === 'gguf' ? path : source.path;
  const json = source.kind === 'tokenizer.json' ? readTokenizerText(file) : tokenizerJson(readDefinition(source));
  if (!isModel(path)) return { json, file, config: source.kind === 'gguf' ? {} : source.config };
  using checkpoint = openCheckpoint(path);
  const { vocab_size: rows } = checkpoint.config;
  return { json, file, config: configOf(checkpoint, source), rows: typeof rows === 'number' ? rows : undefined };
}

/** Makes the folder and writes both files. */
export async function writeTokenizer(folder: string, json: string, config: JsonObject): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'tokenizer.json'), json);
  await writeFile(join(folder, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

function configOf(checkpoint: Checkpoint, source: TokenizerSource): JsonObject {
  if (source.kind === 'gguf') return tokenizerConfig(checkpoint, source.metadata);
  // A template may lie in a file of its own.
  const { chatTemplate } = checkpoint;
  return chatTemplate === undefined ? source.config : { ...source.config, chat_template: chatTemplate };
}

function isModel(path: string): boolean {
  if (!statSync(path).isDirectory()) return !/\.(json|tiktoken)$/.test(path);
  return statSync(join(path, 'config.json'), { throwIfNoEntry: false }) !== undefined;
}
