/**
 * The memory of what layers remember, for several sequences at once: each state of a layer is one region with a slot
 * for each sequence, side by side. Recurrent states have a second region of the same form, for snapshots.
 */
import type { Rope } from '../models/rope.js';
import type { State } from '../models/state.js';
import { type Arena, align } from '../tensor/arena.js';
import { deltaStateBytes } from '../tensor/ops/delta.js';
import { type KvType, kvBytes } from '../tensor/ops/kv.js';
import type { HeldAdapter } from './held-adapter.js';
import { Sequence } from './sequence.js';

/** Where one layer's state lies. */
export interface StatePlace {
  readonly arena: Arena;
  /** Of slot 0; slot s starts s × slotBytes after it. Keys and values have half a slot each. */
  readonly pointer: number;
  readonly slotBytes: number;
  /** Of slot 0's snapshot; keys and values have none. */
  readonly snapshot: number;
}

/** Bytes of one state (without snapshot) of one sequence of at most `capacity` tokens. */
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

/** Bytes of one state as allocated for each sequence: recurrent states come twice. */
export function placedStateBytes(state: State, type: KvType, capacity: number): number {
  const bytes = align(stateBytes(state, type, capacity));
  return state.kind === 'kv' ? bytes : 2 * bytes;
}

export class Cache {
  /** Not in use, the longest unused first. */
  private readonly free: Sequence[];
  /** Recurrent states. */
  readonly recurrent: StatePlace[] = [];
  private readonly places = new Map<State, StatePlace>();

  /** For `count` sequences of at most `capacity` tokens each. */
  constructor(
    readonly type: KvType,
    readonly capacity: number,
    private readonly count: number,
    private readonly rope: Rope,
  ) {
    this.free = Array.from({ length: count }, (_, slot) => new Sequence(this, slot));
  }

  /**
   * A sequence for `prompt`, to be computed with `adapter`; what is known of its beginning is taken over, at most `most`
   * tokens. Undefined: all are in use. It is given back by disposing of it.
   */
  open(prompt: readonly number[], adapter?: HeldAdapter, most = prompt.length - 1): Sequence | undefined {
    if (this.free.length === 0) return undefined;
    let best = 0;
    let longest = 0;
    this.free.forEach((sequence, i) => {
      const common = sequence.common(prompt, this.rope, adapter);
      if (common > longest && 2 * common >= sequence.position) {
        best = i;
        longest = common;
      }
    });
    const [sequence] = this.free.splice(best, 1);
    sequence.reuse(prompt, this.rope, adapter, most);
    return sequence;
  }

  /** Pages in use and in all; so far one of `capacity` tokens a sequence. */
  get pages() {
    return { size: this.capacity, total: this.count, used: this.count - this.free.length, cached: 0, spilled: 0 };
  }

  /** A sequence is no longer in use. */
  release(sequence: Sequence): void {
    this.free.push(sequence);
  }

  /** Allocates a state's slots in its layer's arena. */
  place(state: State, arena: Arena): void {
    const slotBytes = align(stateBytes(state, this.type, this.capacity));
    const bytes = slotBytes * this.count;
    const pointer = arena.alloc(bytes);
    const place = { arena, pointer, slotBytes, snapshot: state.kind === 'kv' ? 0 : arena.alloc(bytes) };
    this.places.set(state, place);
    if (state.kind !== 'kv') this.recurrent.push(place);
  }

  at(state: State): StatePlace {
    return this.places.get(state)!;
  }
}
