/** Numbers of one width that become more. */
type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array;

export class Growing<T extends Numbers> {
  #array: T;
  #length = 0;

  constructor(Kind: new (length: number) => T) {
    this.#array = new Kind(1 << 12);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#array.length) {
      const larger = new (this.#array.constructor as new (length: number) => T)(this.#length * 2);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.#length++] = value;
  }

  /** What is there now, not copied. */
  get view(): T {
    return this.#array.subarray(0, this.#length) as T;
  }

  clear(): void {
    this.#length = 0;
  }
}
