/**
 * What the model remembers of one sequence of tokens: keys and values by position, and the state of recurrent
 * layers, which cannot be rewound; one snapshot of it lets a conversation go on from where its last prompt ended.
 */
import type { State } from '../models/state.js';
import { type Arena, align } from '../tensor/arena.js';
import { deltaStateBytes } from '../tensor/ops/delta.js';
import { type KvType, kvBytes } from '../tensor/ops/kv.js';

/** Where one layer's state lies. */
export interface StatePlace {
  arena: Arena;
  pointer: number;
  /** Recurrent states only: the snapshot. */
  snapshot: number;
  bytes: number;
}

/** Bytes of one state (without snapshot) in a cache of `capacity` tokens. */
export function stateBytes(state: State, type: KvType, capacity: number): number {
  switch (state.kind) {
    case 'kv':
      return align(kvBytes(type, state.kvHeads, state.headDim, capacity)) * 2;
    case 'conv':
      return 4 * state.channels * (state.kernel - 1);
    case 'delta':
      return deltaStateBytes(state.heads, state.keyDim, state.valueDim);
  }
}

/** Bytes of one state as allocated: recurrent states come twice. */
export function placedStateBytes(state: State, type: KvType, capacity: number): number {
  const bytes = align(stateBytes(state, type, capacity));
  return state.kind === 'kv' ? bytes : 2 * bytes;
}

export class Sequence {
  /** The tokens computed so far. */
  readonly tokens: number[] = [];
  private readonly places = new Map<State, StatePlace>();
  private readonly recurrent: StatePlace[] = [];
  private snapshotAt = 0;
  private ropeKey = 0;

  constructor(
    readonly type: KvType,
    readonly capacity: number,
  ) {}

  get position(): number {
    return this.tokens.length;
  }

  get isRecurrent(): boolean {
    return this.recurrent.length > 0;
  }

  /** Allocates a state in its layer's arena. */
  place(state: State, arena: Arena): void {
    const bytes = align(stateBytes(state, this.type, this.capacity));
    const pointer = arena.alloc(bytes);
    const place: StatePlace = { arena, pointer, bytes, snapshot: state.kind === 'kv' ? 0 : arena.alloc(bytes) };
    this.places.set(state, place);
    if (state.kind !== 'kv') this.recurrent.push(place);
  }

  at(state: State): StatePlace {
    return this.places.get(state)!;
  }

  /**
   * Keeps what can be kept for `prompt` and forgets the rest; returns how many of its tokens need not be computed
   * again, at most all but the last. `ropeKey` tells whether cached keys were rotated with other frequencies.
   */
  reuse(prompt: readonly number[], ropeKey: number): number {
    let common = 0;
    const limit = Math.min(this.tokens.length, prompt.length - 1);
    if (ropeKey === this.ropeKey) while (common < limit && this.tokens[common] === prompt[common]) common++;
    this.ropeKey = ropeKey;
    if (this.isRecurrent && common < this.tokens.length) {
      if (this.snapshotAt > 0 && this.snapshotAt <= common) common = this.restore();
      else common = 0;
      if (common === 0) this.clearRecurrent();
    }
    this.tokens.length = common;
    return common;
  }

  /** Forgets everything. */
  reset(ropeKey: number): void {
    this.tokens.length = 0;
    this.snapshotAt = 0;
    this.ropeKey = ropeKey;
    this.clearRecurrent();
  }

  /** Keeps the recurrent states as they are now. */
  snapshot(): void {
    for (const { arena, pointer, snapshot, bytes } of this.recurrent) {
      arena.bytes(snapshot, bytes).set(arena.bytes(pointer, bytes));
    }
    this.snapshotAt = this.tokens.length;
  }

  private restore(): number {
    for (const { arena, pointer, snapshot, bytes } of this.recurrent) {
      arena.bytes(pointer, bytes).set(arena.bytes(snapshot, bytes));
    }
    return this.snapshotAt;
  }

  private clearRecurrent(): void {
    this.snapshotAt = 0;
    for (const { arena, pointer, bytes } of this.recurrent) arena.bytes(pointer, bytes).fill(0);
  }
}
