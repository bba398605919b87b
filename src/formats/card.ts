/** What the files beside the weights say about a model: its licence and its chat template. */
import { join } from 'node:path';
import type { Json, JsonObject } from './checkpoint.js';
import { isObject } from './config.js';
import { readText } from './file.js';

/** The licence named by the model card's front matter (README.md), else the first line of LICENSE. */
export function findLicence(folder: string): string | undefined {
  const card = readText(join(folder, 'README.md')) ?? '';
  const front = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1] ?? '';
  const field = (name: string): string | undefined => {
    const value = new RegExp(`^${name}:[ \\t]*(.+?)[ \\t]*$`, 'm').exec(front)?.[1];
    return value?.replace(/^(['"])(.*)\1$/, '$2');
  };
  const licence = field('license');
  // 'other' means: see license_name.
  if (licence) return licence === 'other' ? (field('license_name') ?? licence) : licence;
  for (const name of ['LICENSE', 'LICENSE.txt', 'LICENSE.md', 'LICENCE']) {
    const line = readText(join(folder, name))
      ?.split('\n')
      .find((line) => line.trim() !== '');
    if (line) return line.replace(/^#+/, '').trim().slice(0, 200);
  }
  return undefined;
}

/** chat_template.jinja, chat_template.json, or the field of tokenizer_config.json: a text, or a list with one named 'default'. */
export function findChatTemplate(folder: string, tokenizerConfig: JsonObject, other: JsonObject): string | undefined {
  return (
    readText(join(folder, 'chat_template.jinja')) ??
    pickTemplate(other.chat_template) ??
    pickTemplate(tokenizerConfig.chat_template)
  );
}

function pickTemplate(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const entry = value.filter(isObject).find(({ name }) => name === 'default');
  return typeof entry?.template === 'string' ? entry.template : undefined;
}
