/**
 * What the model remembers of one sequence of tokens, in its slot of the cache: keys and values by position, and the
 * state of recurrent layers, which cannot be rewound; one snapshot of it, taken near the end of the prompt, lets a
 * conversation go on from there.
 */
import type { Rope } from '../models/rope.js';
import type { Cache } from './cache.js';
import type { HeldAdapter } from './held-adapter.js';

/** The snapshot is taken this many tokens before the prompt's end, where the next turn still agrees. */
const SNAPSHOT_MARGIN = 16;

export class Sequence implements Disposable {
  /** The tokens computed so far. */
  readonly tokens: number[] = [];
  /** How long the sequence was known to become when it was begun: some models' rope depends on it. */
  length = 0;
  /** What its tokens are computed with, besides the model. */
  adapter?: HeldAdapter;
  private ropeKey = 0;
  private snapshotAt = 0;

  constructor(
    private readonly cache: Cache,
    readonly slot: number,
  ) {}

  get position(): number {
    return this.tokens.length;
  }

  get isRecurrent(): boolean {
    return this.cache.recurrent.length > 0;
  }

  /** How many tokens at the start of `prompt` are known, at most all but the last. */
  common(prompt: readonly number[], rope: Rope, adapter?: HeldAdapter, most = prompt.length - 1): number {
    // Keys of another adapter, or rotated with other frequencies, are of no use.
    if (adapter !== this.adapter || rope.key(prompt.length) !== this.ropeKey) return 0;
    const limit = Math.min(this.tokens.length, most);
    let common = 0;
    while (common < limit && this.tokens[common] === prompt[common]) common++;
    return common;
  }

  /**
   * Begins again with `prompt`, to be computed with `adapter`: keeps what can be kept and forgets the rest. Returns how many of its tokens need not
   * be computed again, at most all but the last.
   */
  reuse(prompt: readonly number[], rope: Rope, adapter?: HeldAdapter, most?: number): number {
    let common = this.common(prompt, rope, adapter, most);
    this.adapter = adapter;
    this.length = prompt.length;
    this.ropeKey = rope.key(prompt.length);
    if (this.isRecurrent && common < this.tokens.length) {
      if (this.snapshotAt > 0 && this.snapshotAt <= common) {
        this.restore();
        common = this.snapshotAt;
      } else {
        this.clearRecurrent();
        common = 0;
      }
    }
    this.tokens.length = common;
    return common;
  }

  /** Forgets the tokens from position `length` on. */
  rewind(length: number): void {
    if (this.isRecurrent && length < this.position) throw new Error('recurrent state cannot be rewound');
    this.tokens.length = length;
  }

  /** Room for `count` more tokens. False: there is none; somebody else must give up theirs. */
  reserve(count: number): boolean {
    return this.position + count <= this.cache.capacity;
  }

  [Symbol.dispose](): void {
    this.cache.release(this);
  }

  /** Forgets everything. */
  forget(): void {
    this.tokens.length = 0;
    this.clearRecurrent();
  }

  /** Where the next step towards the sequence's length ends: `size` tokens on, or before that where the snapshot is due. */
  stepEnd(size: number): number {
    const end = Math.min(this.position + size, this.length);
    const snapshot = this.isRecurrent ? this.length - SNAPSHOT_MARGIN : 0;
    return this.position < snapshot && snapshot < end ? snapshot : end;
  }

  /** Takes note of tokens that have been computed. */
  advance(tokens: readonly number[]): void {
    this.tokens.push(...tokens);
    if (this.isRecurrent && this.position === this.length - SNAPSHOT_MARGIN) this.snapshot();
  }

  private snapshot(): void {
    for (const { arena, pointer, snapshot, slotBytes } of this.cache.recurrent) {
      const at = this.slot * slotBytes;
      arena.bytes(snapshot + at, slotBytes).set(arena.bytes(pointer + at, slotBytes));
    }
    this.snapshotAt = this.position;
  }

  private restore(): void {
    for (const { arena, pointer, snapshot, slotBytes } of this.cache.recurrent) {
      const at = this.slot * slotBytes;
      arena.bytes(pointer + at, slotBytes).set(arena.bytes(snapshot + at, slotBytes));
    }
  }

  private clearRecurrent(): void {
    this.snapshotAt = 0;
    for (const { arena, pointer, slotBytes } of this.cache.recurrent) {
      arena.bytes(pointer + this.slot * slotBytes, slotBytes).fill(0);
    }
  }
}
