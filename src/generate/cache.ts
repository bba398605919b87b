/**
 * The memory of what layers remember, for several sequences at once: each state of a layer is one region with a slot
 * for each sequence, side by side. Recurrent states have a second region of the same form, for snapshots.
 */
import type { State } from '../models/state.js';
import { type Arena, align } from '../tensor/arena.js';
import { deltaStateBytes } from '../tensor/ops/delta.js';
import { type KvType, kvBytes } from '../tensor/ops/kv.js';
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
  readonly sequences: readonly Sequence[];
  /** Recurrent states. */
  readonly recurrent: StatePlace[] = [];
  private readonly places = new Map<State, StatePlace>();

  /** For `count` sequences of at most `capacity` tokens each. */
  constructor(
    readonly type: KvType,
    readonly capacity: number,
    count: number,
  ) {
    this.sequences = Array.from({ length: count }, (_, slot) => new Sequence(this, slot));
  }

  /** Allocates a state's slots in its layer's arena. */
  place(state: State, arena: Arena): void {
    const slotBytes = align(stateBytes(state, this.type, this.capacity));
    const bytes = slotBytes * this.sequences.length;
    const pointer = arena.alloc(bytes);
    const place = { arena, pointer, slotBytes, snapshot: state.kind === 'kv' ? 0 : arena.alloc(bytes) };
    this.places.set(state, place);
    if (state.kind !== 'kv') this.recurrent.push(place);
  }

  at(state: State): StatePlace {
    return this.places.get(state)!;
  }
}
