/**
 * Stop strings over streamed text. Text that may be the beginning of a stop string is held back until it is decided,
 * so that no part of a stop string is ever shown. The result does not depend on how the text was cut into chunks:
 * the stop string that is complete first wins (of two that end together, the longer).
 */
import { KaiwenError } from '../errors.js';

export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';
  #found: string | undefined;
  #swallowed = 0;

  /** Throws KaiwenError 'bad_input' on an empty stop string. */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) {
      throw new KaiwenError('bad_input', 'A stop string is empty.', {
        remedy: 'Give strings of at least one character.',
      });
    }
    this.#stops = stops;
  }

  /** A stop string has come: nothing follows. */
  get stopped(): boolean {
    return this.#found !== undefined;
  }

  /** The stop string that has come. */
  get found(): string | undefined {
    return this.#found;
  }

  /** Characters at the end of what was taken that are not shown: not yet, or cut off. */
  get held(): number {
    return this.stopped ? this.#swallowed : this.#held.length;
  }

  /** The text that may be shown now. */
  push(text: string): string {
    if (this.stopped) return '';
    if (this.#stops.length === 0) return text;
    const buffer = this.#held + text;
    let start = -1;
    let end = Number.POSITIVE_INFINITY;
    for (const stop of this.#stops) {
      const at = buffer.indexOf(stop);
      if (at >= 0 && (at + stop.length < end || (at + stop.length === end && at < start))) {
        start = at;
        end = at + stop.length;
      }
    }
    if (start >= 0) {
      this.#found = buffer.slice(start, end);
      this.#held = '';
      this.#swallowed = buffer.length - start;
      return buffer.slice(0, start);
    }
    const keep = Math.max(...this.#stops.map((stop) => overlap(buffer, stop)));
    this.#held = buffer.slice(buffer.length - keep);
    return buffer.slice(0, buffer.length - keep);
  }

  /** What was held back for a stop string that never came. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

/** Length of the longest end of `text` that is a beginning of `word`, the whole word excepted. */
export function overlap(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length--) {
    if (text.endsWith(word.slice(0, length))) return length;
  }
  return 0;
}
