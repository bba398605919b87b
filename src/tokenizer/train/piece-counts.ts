/**
 * How often each piece of a corpus (what the pre-tokeniser cuts) occurs, in memory that is bounded however long the
 * corpus is. Exact until the distinct pieces fill the table. Then rare pieces give way: a long one (a clause of
 * Chinese is one piece) to its parts, which recur, a short one to nothing; what counts as rare grows until half the
 * table is free. So what is lost is about what occurs least, and the same corpus always loses the same.
 */

/** Longer pieces are counted in parts of at most so many bytes. */
export const MAX_PIECE = 256;
/** Parts of rare pieces: four or five Chinese characters. */
const PART = 16;

export class PieceCounts {
  private bytes = new Uint8Array(1 << 16);
  private starts = new Uint32Array(1 << 12);
  private counts = new Float64Array(1 << 12);
  private hashes = new Int32Array(1 << 12);
  /** Entry plus one at each hash, 0 where free; at most half full. */
  private slots = new Int32Array(1 << 13);
  private entries = 0;
  private used = 0;
  private readonly maxBytes: number;
  /** The count up to which pieces have been given up so far; 0: everything was counted. */
  rarest = 0;

  /** @param maxBytes most bytes of distinct pieces; the table takes some 5 times as much */
  constructor(maxBytes = 1 << 26) {
    this.maxBytes = Math.max(1 << 12, maxBytes);
  }

  /** Distinct pieces. */
  get size(): number {
    return this.entries;
  }

  /** Bytes of the distinct pieces. */
  get byteLength(): number {
    return this.used;
  }

  /** Counts `bytes[start, end)`, well-formed UTF-8 and not empty, `count` times. */
  add(bytes: Uint8Array, start: number, end: number, count = 1): void {
    if (end - start > MAX_PIECE) {
      for (let from = start; from < end; ) {
        const to = partEnd(bytes, from, end, MAX_PIECE);
        this.addWhole(bytes, from, to, count);
        from = to;
      }
    } else this.addWhole(bytes, start, end, count);
    while (this.used > this.maxBytes) this.makeRoom();
  }

  /** Calls `visit` with every piece and its count, in the order in which they first occurred. */
  forEach(visit: (bytes: Uint8Array, start: number, end: number, count: number) => void): void {
    for (let entry = 0; entry < this.entries; entry++) {
      visit(this.bytes, this.starts[entry]!, this.endOf(entry), this.counts[entry]!);
    }
  }

  private endOf(entry: number): number {
    return entry + 1 < this.entries ? this.starts[entry + 1]! : this.used;
  }

  private addWhole(bytes: Uint8Array, start: number, end: number, count: number): void {
    let hash = end - start;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    for (let entry: number; (entry = this.slots[slot]! - 1) >= 0; slot = (slot + 1) & mask) {
      if (this.hashes[entry] === hash && this.equals(entry, bytes, start, end)) {
        this.counts[entry]! += count;
        return;
      }
    }
    this.append(bytes, start, end, hash, slot, count);
  }

  private equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.starts[entry]!;
    if (this.endOf(entry) - at !== end - start) return false;
    for (let i = start, k = at; i < end; i++, k++) if (this.bytes[k] !== bytes[i]) return false;
    return true;
  }

  private append(bytes: Uint8Array, start: number, end: number, hash: number, slot: number, count: number): void {
    if (this.used + end - start > this.bytes.length)
      this.bytes = grown(this.bytes, new Uint8Array(this.bytes.length * 2));
    for (let i = start, k = this.used; i < end; i++, k++) this.bytes[k] = bytes[i]!;
    if (this.entries === this.starts.length) this.growEntries();
    const entry = this.entries++;
    this.starts[entry] = this.used;
    this.used += end - start;
    this.counts[entry] = count;
    this.hashes[entry] = hash;
    this.slots[slot] = entry + 1;
    if (this.entries * 2 > this.slots.length) this.rehash(this.slots.length * 2);
  }

  private growEntries(): void {
    const length = this.starts.length * 2;
    this.starts = grown(this.starts, new Uint32Array(length));
    this.counts = grown(this.counts, new Float64Array(length));
    this.hashes = grown(this.hashes, new Int32Array(length));
  }

  private rehash(length: number): void {
    this.slots = new Int32Array(length);
    for (let entry = 0; entry < this.entries; entry++) {
      let slot = this.hashes[entry]! & (length - 1);
      while (this.slots[slot] !== 0) slot = (slot + 1) & (length - 1);
      this.slots[slot] = entry + 1;
    }
  }

  /** Gives up pieces that occurred at most `rarest` times, with `rarest` as it must be to halve the table. */
  private makeRoom(): void {
    const bytesOfCount = new Map<number, number>();
    this.forEach((_bytes, start, end, count) => {
      bytesOfCount.set(count, (bytesOfCount.get(count) ?? 0) + end - start);
    });
    let left = this.used;
    for (const count of [...bytesOfCount.keys()].sort((a, b) => a - b)) {
      if (left <= this.maxBytes / 2) break;
      left -= bytesOfCount.get(count)!;
      this.rarest = Math.max(this.rarest, count);
    }
    const { rarest } = this;
    const kept = new PieceCounts(Number.POSITIVE_INFINITY);
    this.forEach((bytes, start, end, count) => {
      if (count > rarest) kept.addWhole(bytes, start, end, count);
    });
    this.forEach((bytes, start, end, count) => {
      if (count > rarest || end - start <= PART) return;
      for (let from = start; from < end && kept.used < this.maxBytes; ) {
        const to = partEnd(bytes, from, end, PART);
        kept.addWhole(bytes, from, to, count);
        from = to;
      }
    });
    // Parts that fill the table again are rare pieces of the next round.
    this.bytes = kept.bytes;
    this.starts = kept.starts;
    this.counts = kept.counts;
    this.hashes = kept.hashes;
    this.slots = kept.slots;
    this.entries = kept.entries;
    this.used = kept.used;
  }
}

/** Where a part of at most `most` bytes from `start` ends: before a character's first byte. */
function partEnd(bytes: Uint8Array, start: number, end: number, most: number): number {
  if (end - start <= most) return end;
  let at = start + most;
  while (at > start + 1 && (bytes[at]! & 0xc0) === 0x80) at--;
  return at;
}

function grown<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
