/**
 * The grammar of one answer, at the place it has come to. A token that was drawn is asked for (4 µs); only where it is
 * refused are the others looked at, those first whose first byte the grammar allows.
 */
import { KaiwenError } from '../../errors.js';
import type { Lexicon } from './lexicon.js';
import { END, type Matcher } from './xgrammar.js';

/** Up to this part of the vocabulary is asked for at once: that takes about as long as drawing again. */
const FEW = 1 / 128;
/** Milliseconds that a grammar may take, and for each token: an ambiguous one takes longer with every byte. */
const PATIENCE = 3000;
const PATIENCE_PER_TOKEN = 10;

export class Constraint implements Disposable {
  /** The token that the matcher has taken only to see whether it would. */
  #tried = -1;
  #spent = 0;
  #patience = PATIENCE;
  #disposed = false;

  /** `stops`: tokens that end the answer. `named`: those of the lexicon's named tokens that the grammar knows. */
  constructor(
    private readonly matcher: Matcher,
    private readonly lexicon: Lexicon,
    private readonly stops: ReadonlySet<number>,
    private readonly named: ReadonlySet<number>,
    /** Told when the matcher's instance can no longer be used. */
    private readonly broken: () => void = () => {},
  ) {}

  /** Whether the answer may go on with `id`, or end where it is a stop token. Throws KaiwenError 'unsupported'. */
  allows(id: number): boolean {
    if (id === this.#tried) return true;
    return this.#timed(() => {
      this.#retract();
      if (this.stops.has(id)) return this.#complete();
      if (this.#forbidden(id)) return false;
      const { bytes, starts } = this.lexicon;
      if (!this.matcher.AcceptString(bytes.subarray(starts[id], starts[id + 1]), false)) return false;
      this.#tried = id;
      return true;
    });
  }

  /** Goes on with `id`, which is allowed. */
  accept(id: number): void {
    if (this.stops.has(id)) return;
    if (!this.allows(id)) throw new KaiwenError('internal', `Token ${id} breaks the grammar.`);
    this.#tried = -1;
    this.#patience += PATIENCE_PER_TOKEN;
  }

  /**
   * Sets the logits of tokens that are not allowed to -Infinity: at least of those whose first byte is not, and of all
   * where `fully` or where few are left. Returns whether it was all, and how many tokens may remain.
   */
  restrict(logits: Float32Array, fully: boolean): { all: boolean; left: number } {
    return this.#timed(() => {
      this.#retract();
      const { order, firsts, size } = this.lexicon;
      const next = this.#nextBytes();
      let left = 0;
      for (let byte = 0; byte < 256; byte++) if (next[byte]) left += firsts[byte + 1] - firsts[byte];
      const all = fully || left <= size * FEW;
      const kept = [...this.stops].filter((id) => next[END] && id < logits.length).map((id) => [id, logits[id]]);
      // Padding behind the vocabulary, and tokens without bytes.
      const old = all ? logits.slice() : undefined;
      if (old) {
        logits.fill(-Infinity);
        left = 0;
        for (let byte = 0; byte < 256; byte++) {
          if (next[byte]) left += this.#walk(firsts[byte], firsts[byte + 1], (id) => (logits[id] = old[id]));
        }
      } else {
        for (let byte = 0; byte < 256; byte++) {
          if (next[byte]) continue;
          for (let i = firsts[byte]; i < firsts[byte + 1]; i++) logits[order[i]] = -Infinity;
        }
        logits.fill(-Infinity, size);
      }
      for (const id of this.stops) if (id < logits.length) logits[id] = -Infinity;
      for (const [id, logit] of kept) logits[id] = logit;
      return { all, left: left + kept.length };
    });
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    try {
      this.matcher.delete();
    } catch {
      // Of an instance that has ended there is nothing to give back.
    }
  }

  /** Goes through tokens in the order of their bytes; what a refused prefix begins is passed over. */
  #walk(from: number, to: number, allowed: (id: number) => void): number {
    const { matcher } = this;
    const { order, common, bytes, starts } = this.lexicon;
    const deadline = performance.now() + PATIENCE;
    let count = 0;
    let depth = 0;
    let i = from;
    while (i < to) {
      const id = order[i];
      const start = starts[id];
      const length = starts[id + 1] - start;
      if ((i & 255) === 0 && performance.now() > deadline) throw tooSlow();
      const shared = i === from ? 0 : Math.min(common[i], depth);
      if (depth > shared) matcher.Rollback(depth - shared);
      depth = shared;
      while (depth < length && matcher.AcceptToken(bytes[start + depth], false)) depth++;
      i++;
      if (depth === length) {
        if (!this.#forbidden(id)) {
          allowed(id);
          count++;
        }
      } else {
        while (i < to && common[i] > depth) i++;
      }
    }
    if (depth > 0) matcher.Rollback(depth);
    return count;
  }

  #forbidden(id: number): boolean {
    const { size, starts, named } = this.lexicon;
    if (id >= size || starts[id] === starts[id + 1]) return true;
    return !this.named.has(id) && named.some((token) => token.id === id);
  }

  #complete(): boolean {
    return this.#nextBytes()[END];
  }

  /** What may follow: 256 bytes and the end. */
  #nextBytes(): boolean[] {
    const words = this.matcher.GetNextTokenBitmask(END + 1);
    const next = Array.from({ length: END + 1 }, (_, bit) => ((words.get(bit >> 5) >>> (bit & 31)) & 1) === 1);
    words.delete();
    return next;
  }

  #retract(): void {
    if (this.#tried >= 0) this.matcher.Rollback(1);
    this.#tried = -1;
  }

  #timed<T>(action: () => T): T {
    const started = performance.now();
    let result: T;
    try {
      result = action();
    } catch (cause) {
      if (cause instanceof KaiwenError) throw cause;
      this.broken();
      throw new KaiwenError('unsupported', 'The grammar needs too much memory for this answer.', {
        remedy: 'Simplify the grammar or the schema, or ask for a shorter answer.',
        cause,
      });
    }
    this.#spent += performance.now() - started;
    if (this.#spent > this.#patience) throw tooSlow();
    return result;
  }
}

/** The error of a grammar that takes ever longer. */
export function tooSlow(): KaiwenError {
  return new KaiwenError('unsupported', 'The grammar takes too long to follow.', { remedy: 'Make it less ambiguous.' });
}
