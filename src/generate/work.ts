/**
 * What the scheduler computes for somebody: one sequence of tokens, of which the first are known and read in chunks.
 * Work owns its sequence while it has one. It may have to give it back and begin again, at any time between two steps.
 */
import type { Cache } from './cache.js';
import type { DoneEvent, TokenEvent } from './engine.js';
import type { HeldAdapter } from './held-adapter.js';
import type { Runner } from './runner.js';
import type { Sequence } from './sequence.js';
import type { Tensor } from './tensor.js';

export type Events = readonly (TokenEvent | DoneEvent)[];

export abstract class Work {
  #sequence?: Sequence;
  #wasOpen = false;

  constructor(
    /** What is to be read, all of it known. */
    readonly tokens: readonly number[],
    private readonly adapter?: HeldAdapter,
    /** Of the tokens' beginning, how much may be taken over from others that have computed it. */
    private readonly mostKnown?: number,
    /** Groups take turns. */
    readonly group = '',
    /** By the clock of performance.now(). */
    readonly deadline = Infinity,
  ) {}

  /** Where its tokens are computed; none before open() and after close(). */
  get sequence(): Sequence {
    return this.#sequence!;
  }

  get isOpen(): boolean {
    return this.#sequence !== undefined;
  }

  /** It has been open, now or before. */
  get wasOpen(): boolean {
    return this.#wasOpen;
  }

  /** Tokens that are known are still to be computed. */
  abstract get isReading(): boolean;

  /** Nothing is left to do. */
  abstract get isDone(): boolean;

  /** How many tokens must find room before it makes sense to begin. */
  protected get size(): number {
    return this.tokens.length;
  }

  /** Takes a sequence with room for everything known. False: there is none. */
  open(cache: Cache): boolean {
    const sequence = cache.open(this.tokens, this.adapter, this.mostKnown);
    if (!sequence) return false;
    if (!sequence.reserve(this.size - sequence.position)) {
      sequence[Symbol.dispose]();
      return false;
    }
    this.#sequence = sequence;
    this.#wasOpen = true;
    return true;
  }

  /** Gives the sequence back, if there is one. */
  close(): void {
    this.#sequence?.[Symbol.dispose]();
    this.#sequence = undefined;
  }

  /** The tokens to read next, about `size` of them. */
  chunk(size: number): readonly number[] {
    const { tokens, sequence } = this;
    return tokens.slice(sequence.position, sequence.stepEnd(size));
  }

  /** Takes the hidden states [rows, hidden] of the chunk, which its sequence holds by now. */
  abstract read(hidden: Tensor, runner: Runner): Events;

  /** What to say when it ends before its time; throws where nothing can be said. */
  abstract stop(reason: 'aborted' | 'timeout'): Events;
}
