/**
 * The merge table of byte-pair encoding: a pair of neighbouring ids to the rank of their merge and the id it makes.
 * Open addressing in one Int32Array, four words a slot (left, right, rank, product). Most pairs that are asked for do
 * not merge, so a filter of one bit a hash, small enough for the second-level cache, answers those first.
 */
export class MergeTable {
  readonly slots: Int32Array;
  private readonly mask: number;
  /** Bit `hash mod 2^21` is set if some pair has that hash. */
  private readonly filter = new Int32Array(1 << 16);
  private used = 0;

  /** @param capacity the most pairs that will be added */
  constructor(capacity: number) {
    let size = 1024;
    while (size < capacity * 1.5) size *= 2;
    this.slots = new Int32Array(size * 4).fill(-1);
    this.mask = size - 1;
  }

  get size(): number {
    return this.used;
  }

  /** Adds a pair; a pair given twice keeps the later rank. */
  add(left: number, right: number, rank: number, product: number): void {
    const { slots, mask } = this;
    const mixed = hash(left, right);
    this.filter[(mixed >>> 5) & 0xffff]! |= 1 << (mixed & 31);
    let slot = mixed & mask;
    while (slots[slot * 4]! >= 0 && (slots[slot * 4] !== left || slots[slot * 4 + 1] !== right)) {
      slot = (slot + 1) & mask;
    }
    if (slots[slot * 4]! < 0) this.used++;
    slots[slot * 4] = left;
    slots[slot * 4 + 1] = right;
    slots[slot * 4 + 2] = rank;
    slots[slot * 4 + 3] = product;
  }

  /** Where the pair's rank lies in `slots` (its product follows), or 0 for a pair that does not merge. */
  find(left: number, right: number): number {
    const { slots, mask } = this;
    const mixed = hash(left, right);
    if (((this.filter[(mixed >>> 5) & 0xffff]! >>> (mixed & 31)) & 1) === 0) return 0;
    let slot = mixed & mask;
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
