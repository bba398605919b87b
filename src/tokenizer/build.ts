/**
 * What every source of a tokenizer has in common: from tokens, merges and added tokens, checked against each other,
 * to the tables that encode. Messages name the file and the field.
 */
import { KaiwenError } from '../errors.js';
import type { AddedToken } from './added.js';
import { BYTE_CHARS } from './alphabet.js';
import { MergeTable } from './merges.js';
import { Vocabulary } from './vocabulary.js';

/** Far above any model's vocabulary; an id beyond it is a corrupt file, not a reason to allocate. */
export const MAX_IDS = 1 << 22;

export function badFile(file: string, what: string): KaiwenError {
  return new KaiwenError('bad_file', `${file}: ${what}.`, {
    remedy: 'The tokenizer file is damaged or not one; fetch it again.',
  });
}

export function unsupported(file: string, what: string): KaiwenError {
  return new KaiwenError('unsupported', `${file}: ${what} is not supported.`, {
    remedy: 'Kaiwen reads byte-level BPE tokenizers: those of Qwen, Llama 3 and GPT-2.',
  });
}

export interface Named {
  /** The file, for messages. */
  readonly file: string;
  /** Tokens in the byte alphabet to their ids, without the added ones. */
  readonly ids: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
}

/** The vocabulary over base and added tokens; ids may not collide. `size`: at least so many ids. */
export function buildVocabulary({ file, ids, added }: Named, size = 0): Vocabulary {
  let bytes = 0;
  for (const [token, id] of ids) {
    checkId(file, token, id);
    size = Math.max(size, id + 1);
    bytes += token.length;
  }
  for (const { id, content } of added) {
    checkId(file, content, id);
    if (content === '') throw badFile(file, `added token ${id} is empty`);
    size = Math.max(size, id + 1);
  }
  const vocabulary = new Vocabulary(size, bytes);
  for (const [token, id] of ids) {
    if (vocabulary.has(id)) throw badFile(file, `two tokens have the id ${id}, one of them ${JSON.stringify(token)}`);
    vocabulary.setAlphabet(id, token);
  }
  const seen = new Set<number>();
  for (const { id, content } of added) {
    const taken = seen.has(id) || (vocabulary.has(id) && ids.get(content) !== id);
    if (taken) throw badFile(file, `two tokens have the id ${id}, one of them ${JSON.stringify(content)}`);
    seen.add(id);
    vocabulary.setText(id, content);
  }
  return vocabulary;
}

function checkId(file: string, token: string, id: number): void {
  if (Number.isInteger(id) && id >= 0 && id < MAX_IDS) return;
  throw badFile(file, `token ${JSON.stringify(token.slice(0, 40))} has the impossible id ${String(id).slice(0, 40)}`);
}

/** The id of each byte: all 256 must be tokens, or some text could not be written. */
export function buildByteIds(file: string, ids: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from(BYTE_CHARS, (char, byte) => {
    const id = ids.get(char);
    if (id === undefined) throw badFile(file, `the vocabulary has no token for the byte 0x${byte.toString(16)}`);
    return id;
  });
}

/**
 * The merge table of `merges`, in order of rank. A merge that would make an added token is left out: only the parser
 * of control tokens makes those.
 * @param field name of the merges in the file, for messages
 */
export function buildMerges({ file, ids, added }: Named, merges: readonly unknown[], field: string): MergeTable {
  const table = new MergeTable(merges.length);
  const control = new Set(added.map(({ id }) => id));
  const texts: string[] = [];
  for (const [text, id] of ids) texts[id] = text;
  // Most vocabularies list what merges make in the order of the merges: to compare with the next is faster than to look up.
  let next = 0;
  for (let rank = 0; rank < merges.length; rank++) {
    const [left, right] = halves(merges[rank]) ?? [];
    if (left === undefined || right === undefined) throw badFile(file, `${field}[${rank}] is not a pair of tokens`);
    const a = ids.get(left);
    const b = ids.get(right);
    const product = isPair(texts[next], left, right) ? next : ids.get(left + right);
    if (a === undefined || b === undefined || product === undefined) {
      const missing = a === undefined ? left : b === undefined ? right : left + right;
      throw badFile(file, `${field}[${rank}] names ${JSON.stringify(missing.slice(0, 40))}, not in the vocabulary`);
    }
    if (!control.has(product)) table.add(a, b, rank, product);
    next = product + 1;
  }
  return table;
}

function isPair(text: string | undefined, left: string, right: string): boolean {
  return text?.length === left.length + right.length && text.startsWith(left) && text.endsWith(right);
}

/** A merge is written as `"a b"` or as `["a", "b"]`. */
function halves(merge: unknown): [string, string] | undefined {
  if (typeof merge === 'string') {
    const space = merge.indexOf(' ');
    return space > 0 ? [merge.slice(0, space), merge.slice(space + 1)] : undefined;
  }
  if (!Array.isArray(merge) || merge.length !== 2) return undefined;
  const [left, right] = merge as unknown[];
  return typeof left === 'string' && typeof right === 'string' ? [left, right] : undefined;
}

/** Tokens that end an answer in the model families that we run, where the vocabulary has them as special tokens. */
const END_TOKENS = ['<|im_end|>', '<|endoftext|>', '<|eot_id|>', '<|eom_id|>', '<|end_of_text|>'];

/** The ids that end an answer: those the file names first, then the family's own. */
export function endTokens(named: readonly (number | undefined)[], added: readonly AddedToken[]): number[] {
  const family = END_TOKENS.map((content) => added.find((token) => token.special && token.content === content)?.id);
  return [...new Set([...named, ...family].filter((id) => id !== undefined))];
}
