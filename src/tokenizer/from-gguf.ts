/**
 * A tokenizer from GGUF metadata (`tokenizer.ggml.*`). The file names its pattern and normalisation only by a word,
 * `pre`; where a whole tokenizer.json travels along (`tokenizer.huggingface.json`), that one counts.
 */
import type { AddedToken } from './added.js';
import { badFile, buildByteIds, buildMerges, buildVocabulary, endTokens, MAX_IDS, unsupported } from './build.js';
import type { TokenizerDefinition } from './byte-level.js';
import { definitionFromJson } from './from-json.js';
import { PATTERNS, type PatternName } from './pretokenize.js';

const FILE = 'GGUF metadata';

/** Values of `tokenizer.ggml.token_type` that matter here. */
export const TOKEN_TYPE = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

interface Pre {
  readonly pattern: PatternName;
  readonly nfc: boolean;
  /** A piece that is a token as it stands is not merged. */
  readonly whole: boolean;
  readonly addBos: boolean;
}

/** Qwen's definition is NFC, though GGUF does not say so. */
const QWEN: Pre = { pattern: 'qwen2', nfc: true, whole: false, addBos: false };
const LLAMA3: Pre = { pattern: 'llama3', nfc: false, whole: true, addBos: true };
const PRE: Readonly<Record<string, Pre>> = {
  qwen2: QWEN,
  qwen35: { ...QWEN, pattern: 'qwen35' },
  'deepseek-r1-qwen': { ...QWEN, nfc: false },
  'llama-bpe': LLAMA3,
  llama3: LLAMA3,
  'llama-v3': LLAMA3,
  'gpt-2': { pattern: 'gpt2', nfc: false, whole: false, addBos: false },
};

/** @throws KaiwenError 'bad_file' for contradictions, 'unsupported' for other kinds of tokenizer */
export function definitionFromGguf(metadata: Readonly<Record<string, unknown>>): TokenizerDefinition {
  const json = metadata['tokenizer.huggingface.json'];
  const definition = typeof json === 'string' ? definitionFromJson(json, FILE, {}) : fromTables(metadata);

  const bosToken = idField(metadata, 'tokenizer.ggml.bos_token_id', definition) ?? definition.bosToken;
  const named = ['eos', 'eot'].map((name) => idField(metadata, `tokenizer.ggml.${name}_token_id`, definition));
  const addBos = metadata['tokenizer.ggml.add_bos_token'];
  return {
    ...definition,
    bosToken,
    eosTokens: endTokens(named, definition.added),
    addBos: bosToken !== undefined && (typeof addBos === 'boolean' ? addBos : definition.addBos),
  };
}

function fromTables(metadata: Readonly<Record<string, unknown>>): TokenizerDefinition {
  const model = metadata['tokenizer.ggml.model'];
  if (model !== 'gpt2') throw unsupported(FILE, `tokenizer.ggml.model ${JSON.stringify(model)}`);
  // Files from before the field was introduced leave it out; all Qwen models of that time share one pattern.
  const isQwen = String(metadata['general.architecture']).startsWith('qwen');
  const preName = metadata['tokenizer.ggml.pre'] ?? (isQwen ? 'qwen2' : undefined);
  const pre = typeof preName === 'string' && Object.hasOwn(PRE, preName) ? PRE[preName] : undefined;
  if (pre === undefined) throw unsupported(FILE, `tokenizer.ggml.pre ${JSON.stringify(preName) ?? 'left out'}`);

  const tokens = list(metadata, 'tokenizer.ggml.tokens');
  const merges = list(metadata, 'tokenizer.ggml.merges');
  const types = metadata['tokenizer.ggml.token_type'] === undefined ? [] : list(metadata, 'tokenizer.ggml.token_type');
  if (tokens.length > MAX_IDS) throw badFile(FILE, `tokenizer.ggml.tokens has ${tokens.length} entries`);

  const ids = new Map<string, number>();
  const added: AddedToken[] = [];
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id];
    const type = types[id] ?? TOKEN_TYPE.normal;
    if (typeof token !== 'string') throw badFile(FILE, `tokenizer.ggml.tokens[${id}] is not a string`);
    if (type === TOKEN_TYPE.unused) continue;
    if (type === TOKEN_TYPE.control || type === TOKEN_TYPE.userDefined) {
      added.push(plainAdded(id, token, type === TOKEN_TYPE.control));
    } else {
      if (ids.has(token)) throw badFile(FILE, `tokenizer.ggml.tokens[${id}] repeats token ${ids.get(token)}`);
      ids.set(token, id);
    }
  }
  const named = { file: FILE, ids, added };
  return {
    vocabulary: buildVocabulary(named, tokens.length),
    added,
    byteIds: buildByteIds(FILE, ids),
    merges: buildMerges(named, merges, 'tokenizer.ggml.merges'),
    whole: pre.whole ? ids : undefined,
    patterns: [PATTERNS[pre.pattern].pattern],
    // The first generation of Qwen, which llama.cpp tokenises under the same name, did not normalise.
    nfc: pre.nfc && metadata['general.architecture'] !== 'qwen',
    eosTokens: [],
    addBos: pre.addBos,
  };
}

/** An added token of which nothing but its text is known. */
export function plainAdded(id: number, content: string, special: boolean): AddedToken {
  return { id, content, special, normalized: false, lstrip: false, rstrip: false, singleWord: false };
}

function list(metadata: Readonly<Record<string, unknown>>, field: string): ArrayLike<unknown> & readonly unknown[] {
  const value = metadata[field];
  if (Array.isArray(value)) return value as unknown[];
  if (ArrayBuffer.isView(value) && 'length' in value) return Array.from(value as unknown as ArrayLike<unknown>);
  throw badFile(FILE, `${field} is not an array`);
}

function idField(
  metadata: Readonly<Record<string, unknown>>,
  field: string,
  { vocabulary }: TokenizerDefinition,
): number | undefined {
  const value = metadata[field];
  if (value === undefined || value === null) return undefined;
  const id = Number(value);
  if (!Number.isInteger(id) || id < 0 || id >= vocabulary.size) {
    throw badFile(FILE, `${field} is ${String(value).slice(0, 40)}, not an id of the vocabulary`);
  }
  return id;
}
