/**
 * The random numbers behind sampling: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", arXiv:1805.01407), its state filled by SplitMix32 from the seed. Small, fast, and the same on
 * every machine. Not for secrets.
 */
export class Random {
  readonly #state = new Uint32Array(4);

  /** Any finite number; absent: a seed from the system's entropy. */
  constructor(seed?: number) {
    if (seed === undefined) {
      crypto.getRandomValues(this.#state);
      this.#state[0] |= 1; // the all-zero state would stay there
      return;
    }
    // All 64 bits of the double take part, so that seeds beyond 2^32 differ too.
    const [low, high] = new Uint32Array(new Float64Array([seed + 0]).buffer);
    let x = (low ^ Math.imul(high, 0x9e3779b1)) | 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) | 0;
      let z = x ^ (x >>> 16);
      z = Math.imul(z, 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = z ^ (z >>> 16);
    }
    this.#state[3] ^= high;
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** Uniform over the 2^32 unsigned integers. */
  uint32(): number {
    const s = this.#state;
    const scrambled = Math.imul(s[1], 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1), 53 bits. */
  next(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 2 ** 53;
  }
}
