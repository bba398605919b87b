/**
 * The part of a GGUF file's metadata that is called `tokenizer.*`: the tokenizer itself, the ids that generation
 * needs and the chat template. Metadata of a GGUF file are carried over as they are. llama.cpp knows the way text is
 * cut only by name (`pre`); where no name describes the tokenizer, the nearest is written and the whole
 * tokenizer.json travels along under the key that GGUF's specification has for it.
 */
import { KaiwenError } from '../errors.js';
import type { TokenizerDefinition } from '../tokenizer/byte-level.js';
import { TOKEN_TYPE } from '../tokenizer/from-gguf.js';
import { definitionFromJson } from '../tokenizer/from-json.js';
import { definitionFromTiktoken } from '../tokenizer/from-tiktoken.js';
import { patternName } from '../tokenizer/pretokenize.js';
import type { Checkpoint, Json, TokenizerSource } from './checkpoint.js';
import { readText } from './file.js';
import type { GgufType, GgufValue } from './gguf-config.js';
import { mergeTexts, tokenizerJson, tokenText } from './tokenizer-json.js';

/**
 * The entries for a model whose embedding has `rows` rows; a model without a tokenizer gets plain words for its ids.
 * Throws KaiwenError where the tokenizer is broken or has too many ids.
 */
export function tokenizerMetadata(checkpoint: Checkpoint, rows: number): Map<string, GgufValue> {
  const { tokenizer, chatTemplate } = checkpoint;
  if (tokenizer?.kind === 'gguf') return new Map(carriedOver(tokenizer.metadata));
  const entries = tokenizer ? described(tokenizer, rows) : placeholder(rows);
  if (tokenizer) nameIds(checkpoint, entries);
  if (chatTemplate !== undefined) entries.set('tokenizer.chat_template', { type: 'string', value: chatTemplate });
  return entries;
}

/** [our pattern, GGUF's name, and what the name implies: NFC, whole pieces before merges]. */
const NAMES = [
  ['qwen2', 'qwen2', true, false],
  ['qwen35', 'qwen35', true, false],
  ['llama3', 'llama-bpe', false, true],
  ['gpt2', 'gpt-2', false, false],
] as const;

function described(source: Exclude<TokenizerSource, { kind: 'gguf' }>, rows: number): Map<string, GgufValue> {
  const text = readText(source.path) ?? '';
  const definition =
    source.kind === 'tiktoken'
      ? definitionFromTiktoken(text, source.path)
      : definitionFromJson(text, source.path, source.config);
  const { vocabulary, bosToken, eosTokens, addBos, patterns, nfc, whole } = definition;
  if (vocabulary.size > rows) {
    throw new KaiwenError('bad_file', `${source.path}: ${vocabulary.size} ids, but ${rows} rows of embedding.`, {
      remedy: 'The tokenizer belongs to another model; take both from the same place.',
    });
  }
  const name = patterns.length === 1 ? patternName(patterns[0]) : undefined;
  const [, pre, preNfc, preWhole] = NAMES.find(([pattern]) => pattern === name) ?? NAMES[0];
  const entries = tables(pre, ...tokenTable(definition, rows), mergeTexts(definition));
  const pad = source.config.pad_token;
  const content = typeof pad === 'object' && pad !== null && !Array.isArray(pad) ? pad.content : pad;
  const padId = definition.added.find((token) => token.content === content)?.id;
  if (bosToken !== undefined) entries.set('tokenizer.ggml.bos_token_id', { type: 'u32', value: bosToken });
  if (eosTokens.length > 0) entries.set('tokenizer.ggml.eos_token_id', { type: 'u32', value: eosTokens[0] });
  if (padId !== undefined) entries.set('tokenizer.ggml.padding_token_id', { type: 'u32', value: padId });
  entries.set('tokenizer.ggml.add_bos_token', { type: 'bool', value: addBos });
  if (name === undefined || nfc !== preNfc || (whole !== undefined) !== preWhole) {
    const json = source.kind === 'tiktoken' ? tokenizerJson(definition) : text;
    entries.set('tokenizer.huggingface.json', { type: 'string', value: json });
  }
  return entries;
}

function tokenTable(definition: TokenizerDefinition, rows: number): [tokens: string[], types: number[]] {
  const { vocabulary, added } = definition;
  const tokens: string[] = [];
  const types: number[] = [];
  for (let id = 0; id < rows; id++) {
    const known = vocabulary.has(id);
    tokens.push(known ? tokenText(definition, id) : `[PAD${id}]`);
    types.push(known ? TOKEN_TYPE.normal : TOKEN_TYPE.unused);
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    types[id] = special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;
  }
  return [tokens, types];
}

/** Marks the vocabulary of weights that have no tokenizer; our reader then sees none. */
const PLACEHOLDER = 'tokenizer.kaiwen.placeholder';

/** Words that name the ids: llama.cpp does not load weights without a vocabulary. */
function placeholder(rows: number): Map<string, GgufValue> {
  const tokens = Array.from({ length: rows }, (_, id) => `<${id}>`);
  const entries = tables('default', tokens, new Array(rows).fill(TOKEN_TYPE.normal), []);
  entries.set('tokenizer.ggml.add_bos_token', { type: 'bool', value: false });
  entries.set(PLACEHOLDER, { type: 'bool', value: true });
  return entries;
}

function tables(pre: string, tokens: string[], types: number[], merges: string[]): Map<string, GgufValue> {
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: pre }],
    ['tokenizer.ggml.tokens', { type: 'array', elements: 'string', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', elements: 'i32', value: types }],
    ['tokenizer.ggml.merges', { type: 'array', elements: 'string', value: merges }],
  ]);
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
