/** What lies beside an adapter's weights and belongs to how it speaks: its chat template and generation defaults. */
import { join } from 'node:path';
import { findChatTemplate } from '../formats/card.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { parseObject } from '../formats/config.js';
import { readText } from '../formats/file.js';
import { locateAdapter } from './adapter.js';

export interface AdapterFiles {
  chatTemplate?: string;
  generationConfig?: JsonObject;
}

/** Absent fields: the base model's hold. Throws KaiwenError 'bad_file', or where there is no adapter. */
export function readAdapterFiles(path: string): AdapterFiles {
  const { folder } = locateAdapter(path);
  const json = (name: string): JsonObject | undefined => {
    const text = readText(join(folder, name));
    return text === undefined ? undefined : parseObject(text, join(folder, name));
  };
  return {
    chatTemplate: findChatTemplate(folder, json('tokenizer_config.json') ?? {}, json('chat_template.json') ?? {}),
    generationConfig: json('generation_config.json'),
  };
}
