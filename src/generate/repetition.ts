/**
 * Notices that an answer has fallen into an endless loop: its tail repeats one block of tokens, exactly and without
 * a break. It looks at token ids only and keeps the last 256.
 *
 * An answer is a loop when a block of 1 to 256 tokens repeats for at least 256 tokens and at least 4 times over.
 * Text that people want stays below that: numbered lists, tables, code and counting change something in every row;
 * rulers, empty table rows, indentation, "a googol in digits" and songs repeat, but for fewer than 256 tokens. A loop
 * that changes a number each time round is not found; the maximum number of tokens ends it. Who wants a longer
 * exact repetition (a large matrix of zeros) turns the detector off.
 */
export const MAX_PERIOD = 256;
export const MIN_TOKENS = 256;
export const MIN_REPEATS = 4;

export class RepetitionDetector {
  /** The last tokens, a ring. */
  readonly #ring = new Int32Array(MAX_PERIOD);
  /** For each period: how many of the last tokens equal the token one period before. */
  readonly #run = new Uint32Array(MAX_PERIOD + 1);
  #count = 0;

  /** Takes the next token; true if the answer now ends in a loop. Costs 256 comparisons, whatever the length. */
  push(id: number): boolean {
    const ring = this.#ring;
    const run = this.#run;
    const periods = Math.min(MAX_PERIOD, this.#count);
    let looping = false;
    for (let period = 1; period <= periods; period++) {
      if (ring[(this.#count - period) & (MAX_PERIOD - 1)] !== id) {
        run[period] = 0;
      } else if (++run[period] + period >= Math.max(MIN_TOKENS, MIN_REPEATS * period)) {
        looping = true;
      }
    }
    ring[this.#count++ & (MAX_PERIOD - 1)] = id;
    return looping;
  }
}
