/**
 * Pairs of neighbouring tokens with the places where they were seen, most frequent first; among equals the one with
 * the smaller ids. A count may be out of date, but only ever too high: places vanish, none is added later. So the
 * first pair whose count has been confirmed is the most frequent one.
 */

/** The list of places of a pair: `places[start, start + length)`. */
interface Chunk {
  places: Int32Array | undefined;
  /** Pairs that still use it. */
  users: number;
}

export class PairQueue {
  left = new Int32Array(1 << 12);
  right = new Int32Array(1 << 12);
  private counts = new Float64Array(1 << 12);
  private starts = new Int32Array(1 << 12);
  private lengths = new Int32Array(1 << 12);
  private chunkOf = new Int32Array(1 << 12);
  private readonly chunks: Chunk[] = [];
  private readonly free: number[] = [];
  private allocated = 0;
  /** Pairs as a binary heap. */
  private heap = new Int32Array(1 << 12);
  private size = 0;

  /** The most frequent pair, by what is known of the counts; -1 if there is none. */
  first(): number {
    return this.size > 0 ? this.heap[0]! : -1;
  }

  count(pair: number): number {
    return this.counts[pair]!;
  }

  /** Where the pair was seen, in ascending order. Valid until the pair is removed; may be changed in place. */
  places(pair: number): Int32Array {
    const start = this.starts[pair]!;
    return this.chunks[this.chunkOf[pair]!]!.places!.subarray(start, start + this.lengths[pair]!);
  }

  /** Opens a list of places that the next pairs share. */
  addPlaces(places: Int32Array): void {
    this.chunks.push({ places, users: 0 });
  }

  /** Adds a pair that was seen at `length` places from `start` in the list that was added last. */
  add(left: number, right: number, count: number, start: number, length: number): void {
    const pair = this.free.pop() ?? this.allocated++;
    if (pair === this.left.length) this.grow();
    const chunk = this.chunks.length - 1;
    this.left[pair] = left;
    this.right[pair] = right;
    this.counts[pair] = count;
    this.starts[pair] = start;
    this.lengths[pair] = length;
    this.chunkOf[pair] = chunk;
    this.chunks[chunk]!.users++;
    this.siftUp(this.size++, pair);
  }

  /** Corrects the first pair: it is still at the first `length` of its places. */
  correctFirst(count: number, length: number): void {
    const pair = this.heap[0]!;
    this.counts[pair] = count;
    this.lengths[pair] = length;
    this.siftDown(0, pair);
  }

  removeFirst(): void {
    this.release(this.heap[0]!);
    this.size--;
    if (this.size > 0) this.siftDown(0, this.heap[this.size]!);
  }

  /** Removes all pairs that hold the token. */
  removeWith(token: number): void {
    let kept = 0;
    for (let i = 0; i < this.size; i++) {
      const pair = this.heap[i]!;
      if (this.left[pair] === token || this.right[pair] === token) this.release(pair);
      else this.heap[kept++] = pair;
    }
    this.size = kept;
    for (let i = (kept >> 1) - 1; i >= 0; i--) this.siftDown(i, this.heap[i]!);
  }

  private release(pair: number): void {
    const chunk = this.chunks[this.chunkOf[pair]!]!;
    if (--chunk.users === 0) chunk.places = undefined;
    this.free.push(pair);
  }

  private grow(): void {
    const length = this.left.length * 2;
    const wider = (from: Int32Array) => {
      const to = new Int32Array(length);
      to.set(from);
      return to;
    };
    this.left = wider(this.left);
    this.right = wider(this.right);
    this.starts = wider(this.starts);
    this.lengths = wider(this.lengths);
    this.chunkOf = wider(this.chunkOf);
    this.heap = wider(this.heap);
    const counts = new Float64Array(length);
    counts.set(this.counts);
    this.counts = counts;
  }

  private before(a: number, b: number): boolean {
    const difference = this.counts[a]! - this.counts[b]!;
    if (difference !== 0) return difference > 0;
    if (this.left[a] !== this.left[b]) return this.left[a]! < this.left[b]!;
    return this.right[a]! < this.right[b]!;
  }

  private siftUp(from: number, pair: number): void {
    const { heap } = this;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(pair, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = pair;
  }

  private siftDown(from: number, pair: number): void {
    const { heap, size } = this;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.before(heap[child]!, pair)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = pair;
  }
}
