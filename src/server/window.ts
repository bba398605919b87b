/**
 * How much was used within the last minute. Time is cut into slots; what was taken in a slot stays counted until a whole
 * window has passed since the slot's end, so that no span of one window ever holds more than the limit, and memory does
 * not grow with the number of entries. A slot is the most by which something is given back late.
 */
const SLOTS = 240;

export class Window {
  readonly #slotMs: number;
  readonly #amounts = new Float64Array(SLOTS + 1);
  /** Number of the newest slot that the amounts stand for. */
  #newest = 0;
  #sum = 0;

  constructor(readonly lengthMs: number) {
    this.#slotMs = lengthMs / SLOTS;
  }

  /** Used within the window that ends at `now` (milliseconds, never going back). */
  used(now: number): number {
    this.#advance(now);
    return this.#sum;
  }

  /** Takes `amount`, and returns the receipt with which it can be changed. */
  add(amount: number, now: number): number {
    this.#advance(now);
    this.#amounts[this.#newest % (SLOTS + 1)] += amount;
    this.#sum += amount;
    return this.#newest;
  }

  /** Takes `amount` more (less, if negative) for what was taken with this receipt, unless it has run out since. */
  correct(receipt: number, amount: number, now: number): void {
    this.#advance(now);
    if (receipt < this.#newest - SLOTS) return;
    this.#amounts[receipt % (SLOTS + 1)] += amount;
    this.#sum += amount;
  }

  /** Milliseconds until at most `amount` is in use. */
  until(amount: number, now: number): number {
    this.#advance(now);
    let left = this.#sum;
    for (let slot = this.#newest - SLOTS; slot <= this.#newest && left > amount; slot++) {
      left -= this.#amounts[((slot % (SLOTS + 1)) + SLOTS + 1) % (SLOTS + 1)];
      if (left <= amount) return (slot + SLOTS + 1) * this.#slotMs - now;
    }
    return 0;
  }

  #advance(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    if (slot <= this.#newest) return;
    for (let passed = Math.max(this.#newest + 1, slot - SLOTS); passed <= slot; passed++) {
      const place = passed % (SLOTS + 1);
      this.#sum -= this.#amounts[place];
      this.#amounts[place] = 0;
    }
    this.#newest = slot;
  }
}
