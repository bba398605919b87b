/**
 * Merging for long pieces, O(n log n): parts are a linked list over positions, candidate merges a binary heap ordered
 * by rank, then position. A candidate whose neighbours have changed since is recognised by its rank and dropped.
 */
import type { MergeTable } from './merges.js';

/** The rank of a pair that does not merge: above every other. */
export const NO_RANK = 0x7fffffff;

/** Buffers for longer pieces are not kept. */
const KEEP = 1 << 14;

class Buffers {
  readonly ids: Int32Array;
  readonly next: Int32Array;
  readonly previous: Int32Array;
  readonly ranks: Int32Array;
  readonly products: Int32Array;
  /** Each merge adds at most two candidates and uses one up, so twice the positions are enough. */
  readonly heap: Float64Array;

  constructor(readonly capacity: number) {
    this.ids = new Int32Array(capacity);
    this.next = new Int32Array(capacity);
    this.previous = new Int32Array(capacity);
    this.ranks = new Int32Array(capacity);
    this.products = new Int32Array(capacity);
    this.heap = new Float64Array(2 * capacity);
  }
}

/** Rank and position share one double: 2^22 ranks leave 31 bits for the position. */
const POSITIONS = 0x80000000;

export class HeapMerger {
  private readonly kept = new Buffers(KEEP);

  constructor(
    private readonly byteIds: Int32Array,
    private readonly merges: MergeTable,
  ) {}

  /** Appends the ids of the piece `bytes[start, end)` to `out`. */
  merge(bytes: Uint8Array, start: number, end: number, out: number[]): void {
    const count = end - start;
    const buffers = count <= KEEP ? this.kept : new Buffers(count);
    const { ids, next, previous, ranks, products, heap } = buffers;
    for (let i = 0; i < count; i++) {
      ids[i] = this.byteIds[bytes[start + i]!]!;
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    let size = 0;
    for (let i = 0; i < count; i++) if (this.consider(buffers, i, count)) heap[size++] = ranks[i]! * POSITIONS + i;
    for (let i = (size >> 1) - 1; i >= 0; i--) siftDown(heap, size, i, heap[i]!);

    while (size > 0) {
      const key = heap[0]!;
      size--;
      if (size > 0) siftDown(heap, size, 0, heap[size]!);
      const rank = Math.floor(key / POSITIONS);
      const at = key - rank * POSITIONS;
      if (ranks[at] !== rank) continue;
      const right = next[at]!;
      const after = next[right]!;
      ids[at] = products[at]!;
      ranks[right] = NO_RANK;
      next[at] = after;
      if (after < count) previous[after] = at;
      if (this.consider(buffers, at, count)) siftUp(heap, size++, ranks[at]! * POSITIONS + at);
      const before = previous[at]!;
      if (before >= 0 && this.consider(buffers, before, count)) {
        siftUp(heap, size++, ranks[before]! * POSITIONS + before);
      }
    }
    for (let i = 0; i < count; i = next[i]!) out.push(ids[i]!);
  }

  /** Looks up the merge of the part at `at` with the next; whether there is one. */
  private consider({ ids, next, ranks, products }: Buffers, at: number, count: number): boolean {
    const right = next[at]!;
    const found = right < count ? this.merges.find(ids[at]!, ids[right]!) : 0;
    const { slots } = this.merges;
    ranks[at] = found === 0 ? NO_RANK : slots[found]!;
    if (found !== 0) products[at] = slots[found + 1]!;
    return found !== 0;
  }
}

function siftUp(heap: Float64Array, index: number, key: number): void {
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (heap[parent]! <= key) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = key;
}

function siftDown(heap: Float64Array, size: number, index: number, key: number): void {
  for (;;) {
    let child = 2 * index + 1;
    if (child >= size) break;
    if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= key) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = key;
}
