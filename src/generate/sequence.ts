/**
 * What the model remembers of one sequence of tokens: the blocks of its keys and values, the last of them its own, and a
 * slot with the state of recurrent layers, which cannot be rewound.
 */
import { KV_PAGE } from '../tensor/ops/kv-constants.js';
import type { Cache } from './cache.js';
import type { HeldAdapter } from './held-adapter.js';
import type { Block, Root } from './pages.js';
import { CUT } from './states.js';

/** Chunks of so many tokens and more can always be cut so that none is too short (PROMPT_ROWS in loaded-model.ts). */
export const LEAST_CHUNK = 96;

export class Sequence implements Disposable {
  /** The tokens computed so far. */
  readonly tokens: number[] = [];
  /** Block i holds positions from i × KV_PAGE on. */
  readonly blocks: Block[] = [];
  /** Of the state of recurrent layers. */
  slot = 0;
  /** Where a recurrent state is to be kept for others, beside the prompt's end. */
  branch = 0;
  /** How much of it was taken over. */
  private begun = 0;
  /** Blocks that are full and can be found, from the first on. */
  private published = 0;
  /** Another sequence has computed the same, and its blocks are those that can be found. */
  private isTwin = false;
  private isClosed = false;

  constructor(
    private readonly cache: Cache,
    readonly root: Root,
    /** How long the sequence was known to become when it was begun: some models' rope depends on it. */
    readonly length: number,
    /** What its tokens are computed with, besides the model. */
    public adapter?: HeldAdapter,
  ) {}

  get position(): number {
    return this.tokens.length;
  }

  get isRecurrent(): boolean {
    return this.cache.isRecurrent;
  }

  /** The blocks hold these tokens. */
  begin(tokens: readonly number[]): void {
    for (const token of tokens) this.tokens.push(token);
    this.begun = tokens.length;
    this.published = Math.floor(tokens.length / KV_PAGE);
  }

  /** Indexes of the pages of the positions before `end`, which must have been reserved. */
  pages(end: number): number[] {
    return this.blocks.slice(0, Math.ceil(end / KV_PAGE)).map(({ page }) => page);
  }

  /** Room for `count` more tokens, where nobody uses it. False: there is none; somebody else must give up theirs. */
  reserve(count: number): boolean {
    const end = this.position + count;
    if (end > this.cache.capacity) return false;
    while (this.blocks.length * KV_PAGE < end) {
      const block = this.cache.store.allocate();
      if (!block) return false;
      this.blocks.push(block);
    }
    return true;
  }

  /** Forgets the tokens from position `length` on, which must not be known to others. */
  rewind(length: number): void {
    if (length === this.position) return;
    if (this.isRecurrent) throw new Error('recurrent state cannot be rewound');
    if (length < this.published * KV_PAGE) throw new Error('what others know is not rewound');
    this.tokens.length = length;
  }

  /** Forgets everything, also what it has been about to tell. */
  forget(): void {
    this.tokens.length = 0;
    this.begun = 0;
    this.published = 0;
    this.isTwin = true;
    for (const block of this.blocks.splice(0).reverse()) this.cache.store.release(block);
    if (this.isRecurrent) this.cache.states.clear(this.slot);
  }

  /**
   * Where the next step towards the sequence's length ends: at most `size` tokens on. From 96 on (LEAST_CHUNK), no step of
   * a prompt is shorter than the cache's least rows, unless all of it is.
   */
  stepEnd(size: number): number {
    const { position, length, isRecurrent } = this;
    const least = this.cache.leastRows;
    let stop = length;
    for (const cut of this.cuts) if (position < cut && cut < stop) stop = cut;
    const end = Math.min(position + size, stop);
    if (end === stop) return end;
    let early = Math.min(end, stop - least);
    if (isRecurrent) early -= early % CUT;
    return early - position >= Math.min(least, size - CUT) && early > position ? early : end;
  }

  /** Where the state of recurrent layers is kept on the way: not so close together that steps between become too short. */
  private get cuts(): number[] {
    if (!this.isRecurrent) return [];
    const { begun, branch, length } = this;
    const least = this.cache.leastRows;
    const last = length - least - ((length - least) % CUT);
    if (last - begun < least) return [];
    return branch - begun >= least && last - branch >= least ? [branch, last] : [last];
  }

  /** Takes note of tokens that have been computed. */
  advance(tokens: readonly number[]): void {
    for (const token of tokens) this.tokens.push(token);
    const { position, cache, slot, root } = this;
    if (this.cuts.includes(position)) {
      cache.states.copy(slot, root.name, this.tokens.slice());
    }
  }

  /** Lets others find what has been computed so far. Called between steps, when nothing is a mere guess. */
  publish(): void {
    const { cache, blocks, tokens, position } = this;
    while (!this.isTwin && (this.published + 1) * KV_PAGE <= position) {
      const from = this.published * KV_PAGE;
      const block = blocks[this.published];
      block.tokens = tokens.slice(from, from + KV_PAGE);
      if (cache.store.publish(block, blocks[this.published - 1] ?? this.root)) this.published++;
      else this.isTwin = true;
    }
    const last = blocks[this.published];
    if (this.isTwin || !last) return;
    last.tokens = tokens.slice(this.published * KV_PAGE);
    if (last.tokens.length > 0) cache.store.publish(last, blocks[this.published - 1] ?? this.root);
  }

  /** Gives the pages back; what is in them can be found until they are needed. */
  [Symbol.dispose](): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { cache, blocks, slot, root, tokens } = this;
    const { store } = cache;
    this.publish();
    if (this.isTwin) this.follow();
    for (const block of blocks.splice(0).reverse()) store.release(block);
    if (this.isRecurrent) {
      // A prompt is gone on with from where prompts are cut; an answer from its end, which is not recomputed anyway.
      const isOfUse = tokens.length > this.length || (tokens.length > 0 && tokens.length % CUT === 0);
      if (isOfUse) cache.states.keep(slot, root.name, tokens);
      else cache.states.release(slot);
    }
    cache.close(this);
  }

  /** Puts the blocks that others find in the place of its own, as far as there are any, and lets the rest be found. */
  private follow(): void {
    const { blocks, tokens, root, position } = this;
    const { store } = this.cache;
    for (let i = this.published; i * KV_PAGE < position; i++) {
      const block = blocks[i];
      const parent = blocks[i - 1] ?? root;
      block.tokens = tokens.slice(i * KV_PAGE, Math.min(position, (i + 1) * KV_PAGE));
      const twin = store.twin(block, parent);
      if (twin) {
        store.hold(twin);
        store.release(block);
        blocks[i] = twin;
      } else if (!store.publish(block, parent)) return;
    }
  }
}
