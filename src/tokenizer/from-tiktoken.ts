/**
 * First-generation Qwen's vocabulary file: a line for each token, its bytes in base64 and its rank, which is its id.
 * The control tokens follow the last rank in the order that Qwen defines.
 *
 * A rank table lists no merges: two neighbours merge when their bytes together are a token, the lowest rank first.
 * A token that training made arises from one pair only, found by merging its bytes with the tokens of lower rank; a
 * token for which that leaves more than two parts may arise from any two, and a piece equal to it is not merged at all.
 */
import { KaiwenError } from '../errors.js';
import { toAlphabet } from './alphabet.js';
import { badFile, buildVocabulary, endTokens, MAX_IDS } from './build.js';
import type { TokenizerDefinition } from './byte-level.js';
import { plainAdded } from './from-gguf.js';
import { MergeTable } from './merges.js';
import { PATTERNS } from './pretokenize.js';

/** Twice the longest token of the real file; the time to derive merges grows with its square. */
const TOKEN_BYTES_LIMIT = 256;
const EXTRAS = 205;
const CONTROL = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  ...Array.from({ length: EXTRAS }, (_, i) => `<|extra_${i}|>`),
];

/** @throws KaiwenError 'bad_file' naming the file and the line */
export function definitionFromTiktoken(text: string, file: string): TokenizerDefinition {
  const tokens = readRanks(text, file);
  const ids = new Map<string, number>();
  tokens.forEach((bytes, id) => {
    ids.set(toAlphabet(bytes, 0, bytes.length), id);
  });
  if (ids.size !== tokens.length) throw badFile(file, 'a token appears twice');
  const added = CONTROL.map((content, i) => plainAdded(tokens.length + i, content, true));
  const byteIds = new Int32Array(256).fill(-1);
  tokens.forEach((bytes, id) => {
    if (bytes.length === 1) byteIds[bytes[0]!] = id;
  });
  const missing = byteIds.indexOf(-1);
  if (missing >= 0) throw badFile(file, `there is no token for the byte 0x${missing.toString(16)}`);
  const { merges, irregular } = deriveMerges(tokens, ids, byteIds);
  return {
    vocabulary: buildVocabulary({ file, ids, added }),
    added,
    byteIds,
    merges,
    whole: irregular.size > 0 ? irregular : undefined,
    patterns: [PATTERNS.qwen2.pattern],
    nfc: false,
    eosTokens: endTokens([], added),
    addBos: false,
  };
}

function readRanks(text: string, file: string): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  let line = 0;
  for (let start = 0; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const space = text.indexOf(' ', start);
    const rank = space > start && space < end ? Number(text.slice(space + 1, end)) : Number.NaN;
    if (rank !== tokens.length) {
      if (text.slice(start).trim() === '') break;
      throw badFile(file, `line ${line + 1} is not a base64 token with the rank ${tokens.length}`);
    }
    if (rank >= MAX_IDS) throw badFile(file, `line ${line + 1} has the impossible rank ${rank}`);
    tokens.push(decodeBase64(text.slice(start, space), file, line + 1));
    start = end + 1;
  }
  if (tokens.length === 0) throw badFile(file, 'there is no token in it');
  return tokens;
}

function decodeBase64(text: string, file: string, line: number): Uint8Array {
  try {
    const binary = atob(text);
    if (binary.length > TOKEN_BYTES_LIMIT) throw badFile(file, `line ${line} has a token of ${binary.length} bytes`);
    if (binary.length > 0) return Uint8Array.from(binary, (char) => char.charCodeAt(0));
  } catch (error) {
    if (error instanceof KaiwenError) throw error;
    // Falls through to the message below.
  }
  throw badFile(file, `line ${line} is not base64`);
}

/** The merges of a rank table, and the tokens that merging lower ranks does not lead to. */
function deriveMerges(
  tokens: readonly Uint8Array[],
  ids: ReadonlyMap<string, number>,
  byteIds: Int32Array,
): { merges: MergeTable; irregular: Map<string, number> } {
  const irregular = new Map<string, number>();
  const pairs: number[] = [];
  const merges = new MergeTable(tokens.length);
  const parts = new Int32Array(tokens.reduce((longest, { length }) => Math.max(longest, length), 0));
  tokens.forEach((bytes, rank) => {
    if (bytes.length === 1) return;
    const count = mergeInPlace(bytes, byteIds, merges, parts);
    if (count === 2) merges.add(parts[0]!, parts[1]!, rank, rank);
    else {
      irregular.set(toAlphabet(bytes, 0, bytes.length), rank);
      for (let cut = 1; cut < bytes.length; cut++) {
        const left = ids.get(toAlphabet(bytes, 0, cut));
        const right = ids.get(toAlphabet(bytes, cut, bytes.length));
        if (left !== undefined && right !== undefined) pairs.push(left, right, rank);
      }
    }
  });
  if (pairs.length === 0) return { merges, irregular };
  const all = new MergeTable(merges.size + pairs.length / 3);
  for (let at = 0; at < merges.slots.length; at += 4) {
    const [left, right, rank, product] = merges.slots.subarray(at, at + 4);
    if (left! >= 0) all.add(left!, right!, rank!, product!);
  }
  for (let i = 0; i < pairs.length; i += 3) all.add(pairs[i]!, pairs[i + 1]!, pairs[i + 2]!, pairs[i + 2]!);
  return { merges: all, irregular };
}

/** Merges one token's bytes as far as the table goes; returns how many parts remain in `parts`. */
function mergeInPlace(bytes: Uint8Array, byteIds: Int32Array, merges: MergeTable, parts: Int32Array): number {
  const { slots } = merges;
  let count = bytes.length;
  for (let i = 0; i < count; i++) parts[i] = byteIds[bytes[i]!]!;
  for (;;) {
    let best = 0;
    let bestAt = 0;
    for (let i = 0; i + 1 < count; i++) {
      const found = merges.find(parts[i]!, parts[i + 1]!);
      if (found !== 0 && (best === 0 || slots[found]! < slots[best]!)) {
        best = found;
        bestAt = i;
      }
    }
    if (best === 0) return count;
    parts[bestAt] = slots[best + 1]!;
    parts.copyWithin(bestAt + 1, bestAt + 2, count);
    count--;
  }
}
