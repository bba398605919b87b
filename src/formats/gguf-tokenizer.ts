/**
 * The part of a GGUF file's metadata that is called `tokenizer.*`: the tokenizer itself, the ids that generation
 * needs and the chat template. Metadata of a GGUF file are carried over as they are.
 */
import { KaiwenError } from '../errors.js';
import { ggufTokenizer } from '../tokenizer/to-gguf.js';
import type { Checkpoint, Json } from './checkpoint.js';
import type { GgufType, GgufValue } from './gguf-config.js';

/**
 * The entries for a model whose embedding has `rows` rows; a model without a tokenizer gets the kind 'none', with
 * which llama.cpp counts ids and nothing else. Throws KaiwenError where the tokenizer is broken or has too many ids.
 */
export function tokenizerMetadata(checkpoint: Checkpoint, rows: number): Map<string, GgufValue> {
  const { tokenizer, chatTemplate } = checkpoint;
  if (tokenizer?.kind === 'gguf') return new Map(carriedOver(tokenizer.metadata));
  const entries: Map<string, GgufValue> = tokenizer
    ? ggufTokenizer(tokenizer, rows)
    : new Map([['tokenizer.ggml.model', { type: 'string', value: 'none' }]]);
  const tokens = entries.get('tokenizer.ggml.tokens')?.value as readonly string[] | undefined;
  if (tokens && tokens.length > rows) {
    throw new KaiwenError(
      'bad_file',
      `${checkpoint.path}: ${tokens.length} token ids, but ${rows} rows of embedding.`,
      {
        remedy: 'The tokenizer belongs to another model; take both from the same place.',
      },
    );
  }
  if (tokenizer) nameIds(checkpoint, entries);
  if (chatTemplate !== undefined) entries.set('tokenizer.chat_template', { type: 'string', value: chatTemplate });
  return entries;
}

/** GGUF has three keys for what ends an answer; generation_config.json has a list. */
const END_KEYS = ['eos', 'eot', 'eom'];

function nameIds({ generationConfig }: Checkpoint, entries: Map<string, GgufValue>): void {
  const key = (name: string): string => `tokenizer.ggml.${name}_token_id`;
  const first = entries.get(key('eos'))?.value as number | undefined;
  const ends = [...(first === undefined ? [] : [first]), ...ids(generationConfig.eos_token_id)];
  const found: [string, number | undefined][] = [...new Set(ends)].slice(0, 3).map((id, i) => [END_KEYS[i], id]);
  found.push(['bos', ids(generationConfig.bos_token_id)[0]], ['padding', ids(generationConfig.pad_token_id)[0]]);
  for (const [name, id] of found) {
    if (id !== undefined && !entries.has(key(name))) entries.set(key(name), { type: 'u32', value: id });
  }
}

/** Readers of metadata forget types; these are the ones that the tokenizer's keys have. */
function* carriedOver(metadata: Readonly<Record<string, unknown>>): Generator<[string, GgufValue]> {
  for (const [key, value] of Object.entries(metadata)) {
    if (!key.startsWith('tokenizer.')) continue;
    if (Array.isArray(value)) yield [key, { type: 'array', elements: elementType(key, value), value }];
    else if (typeof value === 'string') yield [key, { type: 'string', value }];
    else if (typeof value === 'boolean') yield [key, { type: 'bool', value }];
    else if (typeof value === 'number') yield [key, { type: 'u32', value }];
  }
}

function elementType(key: string, value: readonly unknown[]): GgufType {
  if (typeof value[0] === 'string' || key.endsWith('.merges')) return 'string';
  return key.endsWith('.scores') ? 'f32' : 'i32';
}

function ids(value: Json | undefined): number[] {
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => typeof id === 'number');
}
