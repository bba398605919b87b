/** 64-bit hashes in the order they came, found again at once: sixteen bytes each instead of an object. */
export class HashIndex {
  /** How many different hashes there are. */
  size = 0;
  #high = new Uint32Array(1 << 10);
  #low = new Uint32Array(1 << 10);
  /** The number of the hash in this slot, plus one. */
  #slots = new Uint32Array(1 << 11);

  /** The number of a hash, counted from 0 in the order of their first appearance: `size` before the call if it is new. */
  add(high: number, low: number): number {
    if (this.size === this.#high.length) this.#grow();
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = this.#slots[slot] - 1;
      if (this.#low[at] === low && this.#high[at] === high) return at;
    }
    this.#high[this.size] = high;
    this.#low[this.size] = low;
    this.#slots[slot] = this.size + 1;
    return this.size++;
  }

  /** The hash with this number. */
  at(number: number): [high: number, low: number] {
    return [this.#high[number], this.#low[number]];
  }

  #grow(): void {
    const [high, low] = [this.#high, this.#low];
    this.#high = new Uint32Array(high.length * 2);
    this.#low = new Uint32Array(low.length * 2);
    this.#high.set(high);
    this.#low.set(low);
    this.#slots = new Uint32Array(high.length * 4);
    const mask = this.#slots.length - 1;
    for (let i = 0; i < this.size; i++) {
      let slot = low[i] & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = i + 1;
    }
  }
}
