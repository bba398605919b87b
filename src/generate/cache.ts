/**
 * What layers remember, for many sequences at once: keys and values in pages that prompts with the same beginning share
 * (pages.ts), recurrent states in slots (states.ts). A sequence takes over what is known of its prompt, and leaves what it
 * has computed to those that come after.
 */
import type { Rope } from '../models/rope.js';
import type { State } from '../models/state.js';
import { type Arena, align } from '../tensor/arena.js';
import { deltaStateBytes } from '../tensor/ops/delta.js';
import { type KvType, kvPageBytes } from '../tensor/ops/kv.js';
import { KV_PAGE } from '../tensor/ops/kv-constants.js';
import type { HeldAdapter } from './held-adapter.js';
import { type Block, type PageCounts, Pages } from './pages.js';
import { Sequence } from './sequence.js';
import { CUT, States } from './states.js';

/** A prompt's pages are copied in part where at least so many tokens are gained. */
const LEAST_COPIED = 8;

export interface CacheSize {
  /** Most tokens of a sequence. */
  capacity: number;
  sequences: number;
  /** Of keys and values; default as many as all sequences could fill. */
  pages?: number;
  /** Slots for snapshots of recurrent states, beside one for each sequence; default as many as sequences. */
  snapshots?: number;
  /**
   * Least rows that a prompt's last run must have to be computed like the runs before it, and thus how many tokens of a
   * prompt are computed even where all are known; default 1: any number of rows gives the same bits.
   */
  leastRows?: number;
}

/** Bytes of one page of a layer's keys and values, or of one slot of its recurrent state. */
export function stateBytes(state: State, type: KvType): number {
  switch (state.kind) {
    case 'kv':
      return kvPageBytes(type, state.kvHeads, state.headDim);
    case 'conv':
      return align(4 * state.channels * (state.kernel - 1));
    case 'delta':
      return align(deltaStateBytes(state.heads, state.keyDim, state.valueDim));
  }
}

/** Bytes of a state as a cache of this size allocates it. */
export function placedStateBytes(
  state: State,
  type: KvType,
  { pages, slots }: { pages: number; slots: number },
): number {
  return align(stateBytes(state, type) * (state.kind === 'kv' ? pages : slots));
}

/** Pages of so many tokens. */
export const pagesFor = (tokens: number): number => Math.ceil(tokens / KV_PAGE);

/** Where one layer's state lies: page or slot i starts i × bytes after `pointer`. */
export interface StatePlace {
  readonly arena: Arena;
  readonly pointer: number;
  readonly bytes: number;
}

export class Cache {
  readonly capacity: number;
  readonly store: Pages;
  readonly states: States;
  /** Keys and values, layer after layer. */
  readonly layers: StatePlace[] = [];
  readonly leastRows: number;
  private readonly sequences: number;
  private readonly live = new Set<Sequence>();
  private readonly places = new Map<State, StatePlace>();

  constructor(
    readonly type: KvType,
    { capacity, sequences, pages, snapshots = sequences, leastRows = 1 }: CacheSize,
    private readonly rope: Rope,
  ) {
    this.capacity = capacity;
    this.sequences = sequences;
    this.leastRows = leastRows;
    this.store = new Pages(pages ?? sequences * pagesFor(capacity));
    this.states = new States(sequences + snapshots);
  }

  /** Counts for those who watch; a new object each time. */
  get pages(): PageCounts {
    return this.store.counts;
  }

  /** Allocates a state in its layer's arena. */
  place(state: State, arena: Arena): void {
    const bytes = stateBytes(state, this.type);
    const isKv = state.kind === 'kv';
    const place = { arena, pointer: arena.alloc(bytes * (isKv ? this.store.total : this.states.slots)), bytes };
    this.places.set(state, place);
    if (isKv) this.layers.push(place);
    else this.states.regions.push(place);
  }

  at(state: State): StatePlace {
    return this.places.get(state)!;
  }

  get isRecurrent(): boolean {
    return this.states.regions.length > 0;
  }

  /**
   * A sequence for `prompt`, to be computed with `adapter`: what is known of its beginning is taken over, at most `most`
   * tokens; whole pages are shared, part of one is copied. Undefined: there are as many sequences as there may be, or no
   * page for the next token. It is given back by disposing of it.
   */
  open(prompt: readonly number[], adapter?: HeldAdapter, most = prompt.length - 1): Sequence | undefined {
    if (this.live.size >= this.sequences) return undefined;
    for (const other of this.live) other.publish();
    const name = `${this.rope.key(prompt.length)} ${adapter?.name ?? ''}`;
    const root = this.store.root(name);
    const sequence = new Sequence(this, root, prompt.length, adapter);
    this.live.add(sequence);
    const limit = Math.min(most, prompt.length - this.leastRows);
    this.takeOver(sequence, prompt, limit);
    if (sequence.reserve(1)) {
      this.store.hits += sequence.position;
      return sequence;
    }
    sequence[Symbol.dispose]();
    return undefined;
  }

  /** A sequence is no longer in use. */
  close(sequence: Sequence): void {
    this.live.delete(sequence);
  }

  /** Copies the page of one block to that of another, in all layers. */
  copyPage(from: Block, to: Block): void {
    for (const { arena, pointer, bytes } of this.layers) {
      arena.bytes(pointer + to.page * bytes, bytes).set(arena.bytes(pointer + from.page * bytes, bytes));
    }
  }

  private takeOver(sequence: Sequence, prompt: readonly number[], limit: number): void {
    const { store, states, isRecurrent } = this;
    const { root, blocks } = sequence;
    let known = 0;
    while (known + KV_PAGE <= limit) {
      const block = store.take(blocks.at(-1) ?? root, prompt.slice(known, known + KV_PAGE));
      if (!block) break;
      blocks.push(block);
      known += KV_PAGE;
    }
    const rest = prompt.slice(known, Math.max(known, Math.min(limit, known + KV_PAGE)));
    const { block: partial, common } = store.longest(blocks.at(-1) ?? root, rest);
    let position = known + common;
    if (isRecurrent) {
      const agreed = position;
      const { slot, length } = states.begin(root.name, prompt, position);
      sequence.slot = slot;
      position = length;
      // Others have gone this way and taken another: whoever comes next shall find a state here.
      const branch = agreed - (agreed % CUT);
      if (branch >= position + KV_PAGE) sequence.branch = branch;
    }
    const own = position % KV_PAGE;
    // The page behind the last whole one that is taken over: found in part, or given back in part.
    const whole = Math.floor(position / KV_PAGE);
    const source = own === 0 ? undefined : (blocks[whole] ?? partial);
    if (source) {
      const copy = this.partOf(source, own, isRecurrent || own >= LEAST_COPIED);
      if (copy) {
        for (const block of blocks.splice(whole).reverse()) store.release(block);
        blocks.push(copy);
      } else {
        position = whole * KV_PAGE;
        if (isRecurrent) {
          states.clear(sequence.slot);
          position = 0;
        }
      }
    }
    for (const block of blocks.splice(Math.ceil(position / KV_PAGE)).reverse()) store.release(block);
    sequence.begin(prompt.slice(0, position));
  }

  /** A block of its own with what `source` holds of its first `tokens` positions: itself, if nobody misses it. */
  private partOf(source: Block, tokens: number, isWorthCopying: boolean): Block | undefined {
    if (source.refs === 0 && source.tokens.length === tokens) return this.store.adopt(source);
    if (!isWorthCopying) return undefined;
    // Holding it keeps it from being the one that gives way.
    this.store.hold(source);
    const copy = this.store.allocate();
    if (copy) this.copyPage(source, copy);
    this.store.release(source);
    return copy;
  }
}
