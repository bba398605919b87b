/**
 * Byte-pair encoding of one piece of text: start from bytes, merge the neighbouring pair of lowest rank, leftmost
 * first, until no pair merges. Short pieces scan for the lowest rank in place; long ones (a megabyte of one letter
 * is one piece) keep a heap, O(n log n). A direct-mapped cache of fixed size remembers short pieces.
 * Knows nothing of text: pieces are cut, and control tokens taken out, before.
 */
import { toAlphabet } from './alphabet.js';
import { HeapMerger, NO_RANK } from './heap.js';
import type { MergeTable } from './merges.js';

/** Longest piece, in bytes, that is merged by scanning. */
const SCAN_LIMIT = 40;

const CACHE_SLOTS = 1 << 16;
const CACHE_BYTES = 32;
const CACHE_IDS = 8;

export interface BpeTables {
  /** The id of each single byte. */
  byteIds: Int32Array;
  merges: MergeTable;
  /** Tokens (in the byte alphabet) that a whole piece becomes before any merging, where the vocabulary wants that. */
  whole?: ReadonlyMap<string, number>;
}

export class Bpe {
  private readonly byteIds: Int32Array;
  private readonly merges: MergeTable;
  private readonly whole?: ReadonlyMap<string, number>;
  /** `merges.find` of every pair of bytes, which every piece begins with. */
  private readonly bytePairs: Int32Array;

  private readonly heap: HeapMerger;
  private readonly ids = new Int32Array(SCAN_LIMIT);
  private readonly ranks = new Int32Array(SCAN_LIMIT);
  private readonly products = new Int32Array(SCAN_LIMIT);

  private readonly cacheHash = new Int32Array(CACHE_SLOTS);
  /** Length of the piece in the low byte, number of its ids above; 0 for a free slot. */
  private readonly cacheSize = new Int32Array(CACHE_SLOTS);
  private readonly cacheBytes = new Uint8Array(CACHE_SLOTS * CACHE_BYTES);
  private readonly cacheIds = new Int32Array(CACHE_SLOTS * CACHE_IDS);

  constructor({ byteIds, merges, whole }: BpeTables) {
    this.byteIds = byteIds;
    this.merges = merges;
    this.whole = whole;
    this.heap = new HeapMerger(byteIds, merges);
    this.bytePairs = new Int32Array(65536);
    for (let pair = 0; pair < 65536; pair++) {
      this.bytePairs[pair] = merges.find(byteIds[pair >> 8]!, byteIds[pair & 255]!);
    }
  }

  /** Appends the ids of the piece `bytes[start, end)` to `out`. */
  encode(bytes: Uint8Array, start: number, end: number, out: number[]): void {
    const length = end - start;
    if (length === 1) {
      out.push(this.byteIds[bytes[start]!]!);
      return;
    }
    if (length > CACHE_BYTES) {
      this.encodeUncached(bytes, start, end, out);
      return;
    }
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    hash ^= hash >>> 15;
    const slot = hash & (CACHE_SLOTS - 1);
    const { cacheBytes, cacheIds } = this;
    const size = this.cacheSize[slot]!;
    if (this.cacheHash[slot] === hash && (size & 255) === length) {
      let at = slot * CACHE_BYTES;
      let i = start;
      while (i < end && cacheBytes[at] === bytes[i]) {
        i++;
        at++;
      }
      if (i === end) {
        const first = slot * CACHE_IDS;
        const last = first + (size >> 8);
        for (let k = first; k < last; k++) out.push(cacheIds[k]!);
        return;
      }
    }
    const before = out.length;
    this.encodeUncached(bytes, start, end, out);
    const count = out.length - before;
    if (count > CACHE_IDS) return;
    this.cacheHash[slot] = hash;
    this.cacheSize[slot] = length | (count << 8);
    const at = slot * CACHE_BYTES - start;
    for (let i = start; i < end; i++) cacheBytes[at + i] = bytes[i]!;
    for (let k = 0; k < count; k++) cacheIds[slot * CACHE_IDS + k] = out[before + k]!;
  }

  private encodeUncached(bytes: Uint8Array, start: number, end: number, out: number[]): void {
    // The longest token of any vocabulary has a few hundred bytes.
    if (this.whole !== undefined && end - start <= 1024) {
      const id = this.whole.get(toAlphabet(bytes, start, end));
      if (id !== undefined) {
        out.push(id);
        return;
      }
    }
    if (end - start <= SCAN_LIMIT) this.mergeByScan(bytes, start, end, out);
    else this.heap.merge(bytes, start, end, out);
  }

  private mergeByScan(bytes: Uint8Array, start: number, end: number, out: number[]): void {
    const { ids, ranks, products, merges, bytePairs, byteIds } = this;
    const { slots } = merges;
    let last = end - start - 1;
    let best = NO_RANK;
    let bestAt = 0;
    for (let i = 0; i <= last; i++) {
      const byte = bytes[start + i]!;
      ids[i] = byteIds[byte]!;
      const found = i < last ? bytePairs[byte * 256 + bytes[start + i + 1]!]! : 0;
      const rank = found === 0 ? NO_RANK : slots[found]!;
      ranks[i] = rank;
      products[i] = found === 0 ? 0 : slots[found + 1]!;
      if (rank < best) {
        best = rank;
        bestAt = i;
      }
    }
    while (best !== NO_RANK) {
      const at = bestAt;
      const product = products[at]!;
      ids[at] = product;
      last--;
      for (let i = at + 1; i <= last; i++) {
        ids[i] = ids[i + 1]!;
        ranks[i] = ranks[i + 1]!;
        products[i] = products[i + 1]!;
      }
      if (at > 0) {
        const found = merges.find(ids[at - 1]!, product);
        ranks[at - 1] = found === 0 ? NO_RANK : slots[found]!;
        products[at - 1] = found === 0 ? 0 : slots[found + 1]!;
      }
      const found = at < last ? merges.find(product, ids[at + 1]!) : 0;
      ranks[at] = found === 0 ? NO_RANK : slots[found]!;
      products[at] = found === 0 ? 0 : slots[found + 1]!;
      best = NO_RANK;
      for (let i = 0; i < last; i++) {
        if (ranks[i]! < best) {
          best = ranks[i]!;
          bestAt = i;
        }
      }
    }
    for (let i = 0; i <= last; i++) out.push(ids[i]!);
  }
}
