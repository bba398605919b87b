/**
 * The tokens that a constrained answer may consist of, as bytes, in shared memory: made once by the thread that
 * compiles grammars, read by the one that draws.
 */
import type { AddedToken } from '../../tokenizer/added.js';

export interface Lexicon {
  /** One more than the largest id. */
  size: number;
  /** The bytes of id i are bytes[starts[i] .. starts[i + 1]]; none for a token that no constrained answer may hold. */
  bytes: Uint8Array;
  starts: Int32Array;
  /** Ids in the order of their bytes, and how many bytes each has in common with the one before. */
  order: Int32Array;
  common: Int32Array;
  /** Where in `order` the tokens with each first byte begin: [257]. */
  firsts: Int32Array;
  /** Tokens with a name, such as <tool_call>: drawn only where a grammar names them. */
  named: readonly { id: number; content: string }[];
}

interface Words {
  readonly size: number;
  bytes(id: number): Uint8Array;
}

/** `added`: control tokens. Special ones can never be part of a constrained answer. */
export function newLexicon(words: Words, added: readonly Pick<AddedToken, 'id' | 'content' | 'special'>[]): Lexicon {
  const { size } = words;
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id));
  const texts: string[] = new Array(size);
  let total = 0;
  for (let id = 0; id < size; id++) {
    texts[id] = special.has(id) ? '' : Buffer.from(words.bytes(id)).toString('latin1');
    total += texts[id].length;
  }
  const starts = int32(size + 1);
  const bytes = new Uint8Array(new SharedArrayBuffer(total));
  for (let id = 0; id < size; id++) {
    starts[id + 1] = starts[id] + texts[id].length;
    if (texts[id] !== '') bytes.set(words.bytes(id), starts[id]);
  }
  const ids = Array.from(texts.keys()).filter((id) => texts[id] !== '');
  ids.sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : a - b));
  const order = int32(ids.length);
  order.set(ids);
  const common = int32(ids.length);
  const firsts = int32(257);
  for (let i = 0; i < ids.length; i++) {
    firsts[texts[ids[i]].charCodeAt(0) + 1]++;
    if (i > 0) common[i] = commonPrefix(texts[ids[i - 1]], texts[ids[i]]);
  }
  for (let byte = 0; byte < 256; byte++) firsts[byte + 1] += firsts[byte];
  const named = added.filter((token) => !token.special).map(({ id, content }) => ({ id, content }));
  return { size, bytes, starts, order, common, firsts, named };
}

function int32(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

function commonPrefix(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}
