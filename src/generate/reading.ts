/** Reads tokens for what can be seen of them on the way: hidden states, log-probabilities. Nothing is drawn. */
import { KaiwenError } from '../errors.js';
import type { HeldAdapter } from './held-adapter.js';
import type { Runner } from './runner.js';
import type { Tensor } from './tensor.js';
import { type Events, Work } from './work.js';

export interface ReadingOptions {
  adapter?: HeldAdapter;
  /** How much of the beginning need not be computed, where others have; default all but the last token. */
  mostKnown?: number;
  /** Most tokens at once; default as many as the scheduler likes. */
  chunk?: number;
}

export class Reading extends Work {
  readonly isReading = true;
  private readonly longest: number;

  /** `use` gets the hidden states of each chunk and the position of its first row; again from the start if it must. */
  constructor(
    tokens: readonly number[],
    private readonly use: (hidden: Tensor, first: number, runner: Runner) => void,
    { adapter, mostKnown, chunk = Infinity }: ReadingOptions = {},
  ) {
    super(tokens, adapter, mostKnown);
    this.longest = chunk;
  }

  get isDone(): boolean {
    return this.isOpen && this.sequence.position === this.tokens.length;
  }

  override chunk(size: number): readonly number[] {
    return super.chunk(Math.max(1, Math.min(size, this.longest)));
  }

  read(hidden: Tensor, runner: Runner): Events {
    this.use(hidden, this.sequence.position - hidden.rows, runner);
    return [];
  }

  stop(): Events {
    throw new KaiwenError('aborted', 'Cancelled.');
  }
}
