/** The text side of a model: its tokenizer and chat template, from wherever they lie, with a hash of both. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KaiwenError } from '../errors.js';
import { findChatTemplate } from '../formats/card.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { exists, readText } from '../formats/file.js';
import { openCheckpoint } from '../formats/open.js';
import { ChatTemplate } from '../tokenizer/chat-template.js';
import { loadTokenizer, openTokenizer } from '../tokenizer/load.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

export interface TextSide {
  tokenizer: Tokenizer;
  template: ChatTemplate;
  /** Jinja; undefined: ChatML. */
  chatTemplate?: string;
  /** Of every token and the template: two models with the same one read prepared data alike. */
  hash: string;
}

/**
 * @param path a model folder, a GGUF file, a folder with only a tokenizer, a tokenizer.json or .tiktoken file
 * @throws KaiwenError as openTokenizer and openCheckpoint do
 */
export function openTextSide(path: string): TextSide {
  const { tokenizer, chatTemplate } = open(path);
  const template = new ChatTemplate(chatTemplate, tokenizer, path);
  return { tokenizer, template, chatTemplate, hash: hashOf(tokenizer, chatTemplate) };
}

function open(path: string): { tokenizer: Tokenizer; chatTemplate?: string } {
  const folder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : undefined;
  const bare = folder
    ? !exists(join(folder, 'config.json')) && exists(join(folder, 'tokenizer.json'))
    : /\.(json|tiktoken)$/.test(path);
  if (bare) return { tokenizer: openTokenizer(path), chatTemplate: templateBeside(folder ?? dirname(path)) };
  using checkpoint = openCheckpoint(path);
  const { tokenizer, chatTemplate } = checkpoint;
  if (tokenizer) return { tokenizer: loadTokenizer(tokenizer), chatTemplate };
  throw new KaiwenError('not_found', `${path}: the model has no tokenizer.`, {
    remedy: 'Give a model that has one, or a tokenizer.json.',
  });
}

function templateBeside(folder: string): string | undefined {
  const json = (name: string): JsonObject => {
    try {
      return JSON.parse(readText(join(folder, name)) ?? '{}') as JsonObject;
    } catch (cause) {
      throw new KaiwenError('bad_file', `${join(folder, name)}: it is not JSON.`, { remedy: 'Mend the file.', cause });
    }
  };
  return findChatTemplate(folder, json('tokenizer_config.json'), json('chat_template.json'));
}

function hashOf(tokenizer: Tokenizer, chatTemplate: string | undefined): string {
  const hash = createHash('sha256');
  const lengths = new Uint32Array(tokenizer.vocabSize);
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const bytes = tokenizer.bytes(id);
    lengths[id] = bytes.length;
    hash.update(bytes);
  }
  hash.update(new Uint8Array(lengths.buffer));
  hash.update(chatTemplate ?? 'chatml');
  return hash.digest('hex');
}
