/**
 * The merge table of byte-pair encoding: a pair of neighbouring ids to the rank of their merge and the id it makes.
 * Open addressing in one Int32Array, four words a slot (left, right, rank, product), at most half full: a lookup
 * is one multiplication and usually one cache line.
 */
export class MergeTable {
  readonly slots: Int32Array;
  private readonly mask: number;
  private used = 0;

  /** @param capacity the most pairs that will be added */
  constructor(capacity: number) {
    let size = 1024;
    while (size < capacity * 2) size *= 2;
    this.slots = new Int32Array(size * 4).fill(-1);
    this.mask = size - 1;
  }

  get size(): number {
    return this.used;
  }

  /** Adds a pair; a pair given twice keeps the later rank. */
  add(left: number, right: number, rank: number, product: number): void {
    const { slots, mask } = this;
    let slot = hash(left, right) & mask;
    while (slots[slot * 4]! >= 0 && (slots[slot * 4] !== left || slots[slot * 4 + 1] !== right)) {
      slot = (slot + 1) & mask;
    }
    if (slots[slot * 4]! < 0) this.used++;
    slots.set([left, right, rank, product], slot * 4);
  }

  /** Where the pair's rank lies in `slots` (its product follows), or 0 for a pair that does not merge. */
  find(left: number, right: number): number {
    const { slots, mask } = this;
    let slot = hash(left, right) & mask;
    for (;;) {
      const at = slot * 4;
      const found = slots[at]!;
      if (found === left && slots[at + 1] === right) return at + 2;
      if (found < 0) return 0;
      slot = (slot + 1) & mask;
    }
  }
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
