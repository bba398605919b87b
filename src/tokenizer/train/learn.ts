/**
 * Learns the merges of byte-pair encoding (Sennrich et al., arXiv:1508.07909): again and again the most frequent pair
 * of neighbouring tokens becomes a token; among equals the pair with the smaller ids. Pairs that overlap (`aaa`) count
 * each time. Nothing is recounted: every pair knows its places, and since a pair can come into being only while the
 * newer of its two tokens does, a list of places is written once and only loses entries after.
 */
import { PairQueue } from './pair-queue.js';
import type { Segmentation } from './segmentation.js';

export interface Merge {
  left: number;
  right: number;
  product: number;
}

export interface LearnOptions {
  /** The tokens so far in the byte alphabet, by id; new ones are pushed. Gaps are empty strings. */
  tokens: string[];
  /** Bytes of each token by id, kept in step with `tokens`; the segmentation reads it. */
  lengths: number[];
  /** How many tokens to learn. */
  count: number;
  /** Pairs that occur less often are left alone. */
  minFrequency: number;
  /** Ids that nothing may merge into. */
  reserved?: ReadonlySet<number>;
  onProgress?: (learned: number, total: number) => void;
}

/** The merges in order; fewer tokens than asked for where pairs run out. Changes the segmentation, tokens and lengths. */
export function learnMerges(pieces: Segmentation, options: LearnOptions): Merge[] {
  const { tokens, lengths, count, minFrequency, reserved, onProgress } = options;
  const pairs = new Pairs(pieces, minFrequency);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: Merge[] = [];
  let learned = 0;
  while (learned < count) {
    const pair = pairs.mostFrequent();
    if (pair === undefined) break;
    const { left, right, places } = pair;
    const token = tokens[left]! + tokens[right]!;
    const known = ids.get(token);
    if (known !== undefined && reserved?.has(known)) {
      pairs.drop();
      continue;
    }
    const product = known ?? tokens.length;
    if (known === undefined) {
      ids.set(token, product);
      tokens.push(token);
      lengths.push(lengths[left]! + lengths[right]!);
      learned++;
    }
    const merged = new Int32Array(places.length);
    let used = 0;
    for (const at of places) {
      if (!pieces.isPair(at, left, right)) continue;
      pieces.merge(at, left, product);
      merged[used++] = at;
    }
    pairs.drop();
    // Two pairs may make the same token: then its pairs are those of all its places, old and new.
    if (known === undefined) pairs.addAround(product, merged.subarray(0, used));
    else pairs.recount(product);
    merges.push({ left, right, product });
    onProgress?.(learned, count);
  }
  return merges;
}

/** The pairs of a segmentation as it changes. */
class Pairs {
  private readonly queue = new PairQueue();
  /** Places of the pairs at hand by the id of one of their tokens: how many, their weight, where they go. */
  private sizes = new Int32Array(1 << 10);
  private sums = new Float64Array(1 << 10);

  constructor(
    private readonly pieces: Segmentation,
    private readonly minFrequency: number,
  ) {
    this.addAll();
  }

  /** The most frequent pair with its places, or undefined if none is frequent enough. */
  mostFrequent(): { left: number; right: number; places: Int32Array } | undefined {
    const { queue, pieces } = this;
    let confirmed = -1;
    for (;;) {
      const pair = queue.first();
      if (pair < 0) return undefined;
      const left = queue.left[pair]!;
      const right = queue.right[pair]!;
      const places = queue.places(pair);
      if (pair === confirmed) return { left, right, places };
      let kept = 0;
      let count = 0;
      for (let i = 0; i < places.length; i++) {
        const at = places[i]!;
        if (!pieces.isPair(at, left, right)) continue;
        places[kept++] = at;
        count += pieces.weight(at);
      }
      if (count < this.minFrequency) queue.removeFirst();
      else {
        // Counts are sums in one order, so an unchanged pair has the same to the last bit.
        queue.correctFirst(count, kept);
        confirmed = pair;
      }
    }
  }

  /** Forgets the most frequent pair. */
  drop(): void {
    this.queue.removeFirst();
  }

  /** Adds the pairs that a new token makes with its neighbours at these places. */
  addAround(token: number, places: Int32Array): void {
    const { pieces } = this;
    const before = new Int32Array(places.length);
    let used = 0;
    for (const at of places) {
      const previous = pieces.before(at);
      // A pair of the token with itself is seen from its left half.
      if (previous >= 0 && pieces.words[previous] !== token) before[used++] = previous;
    }
    this.addGroups(
      before.subarray(0, used),
      (at) => pieces.words[at]!,
      (other) => [other, token],
    );
    this.addGroups(
      places,
      (at) => pieces.idAfter(at, token),
      (other) => [token, other],
    );
  }

  /** Adds the pairs of a token that was there already anew. */
  recount(token: number): void {
    this.queue.removeWith(token);
    const { words } = this.pieces;
    const places: number[] = [];
    for (let at = 1; at < words.length; at++) if (words[at] === token) places.push(at);
    this.addAround(token, Int32Array.from(places));
  }

  private addAll(): void {
    const { pieces } = this;
    const { words } = pieces;
    const starts = [0];
    let total = 0;
    for (let at = 1; at < words.length; at++) {
      const id = words[at]!;
      if (id < 0) continue;
      while (starts.length <= id + 1) starts.push(0);
      starts[id + 1]!++;
      total++;
    }
    for (let id = 1; id < starts.length; id++) starts[id]! += starts[id - 1]!;
    const byLeft = new Int32Array(total);
    const next = Int32Array.from(starts);
    for (let at = 1; at < words.length; at++) if (words[at]! >= 0) byLeft[next[words[at]!]!++] = at;
    for (let left = 0; left + 1 < starts.length; left++) {
      const places = byLeft.subarray(starts[left], starts[left + 1]);
      if (places.length > 0)
        this.addGroups(
          places,
          (at) => pieces.idAfter(at, left),
          (other) => [left, other],
        );
    }
  }

  /** Adds a pair for each other token that `otherOf` finds at the places (negative: none there). */
  private addGroups(
    places: Int32Array,
    otherOf: (at: number) => number,
    pairOf: (other: number) => [left: number, right: number],
  ): void {
    const { pieces, minFrequency, queue } = this;
    const others: number[] = [];
    for (const at of places) {
      const other = otherOf(at);
      if (other < 0) continue;
      if (other >= this.sizes.length) this.widen(other);
      if (this.sizes[other]!++ === 0) others.push(other);
      this.sums[other]! += pieces.weight(at);
    }
    // In a fixed order; a list's start takes the place of its size.
    const frequent = others.filter((other) => this.sums[other]! >= minFrequency).sort((a, b) => a - b);
    let total = 0;
    const groups = frequent.map((other) => {
      const group = { other, start: total, length: this.sizes[other]!, count: this.sums[other]! };
      total += group.length;
      return group;
    });
    for (const other of others) {
      this.sizes[other] = -1;
      this.sums[other] = 0;
    }
    for (const { other, start } of groups) this.sizes[other] = start;
    const list = new Int32Array(total);
    for (const at of places) {
      const other = otherOf(at);
      if (other >= 0 && this.sizes[other]! >= 0) list[this.sizes[other]!++] = at;
    }
    for (const other of others) this.sizes[other] = 0;
    if (groups.length > 0) queue.addPlaces(list);
    for (const { other, start, length, count } of groups) {
      const [left, right] = pairOf(other);
      queue.add(left, right, count, start, length);
    }
  }

  private widen(id: number): void {
    const length = Math.max(id + 1, this.sizes.length * 2);
    const sizes = new Int32Array(length);
    sizes.set(this.sizes);
    this.sizes = sizes;
    const sums = new Float64Array(length);
    sums.set(this.sums);
    this.sums = sums;
  }
}
