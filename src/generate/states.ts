/**
 * The states of recurrent layers: a sequence that is under way has a slot in every layer's region, and the slots that
 * none has keep snapshots. A state cannot be rewound, so a prompt goes on from the longest snapshot that agrees with it.
 */
import type { Arena } from '../tensor/arena.js';

/** Prompts over recurrent layers are cut at multiples of this: their kernels take in so many tokens at once. */
export const CUT = 16;

/** The states of one layer. */
export interface StateRegion {
  readonly arena: Arena;
  /** Of slot 0; slot s starts s × bytes after it. */
  readonly pointer: number;
  readonly bytes: number;
}

interface Snapshot {
  readonly slot: number;
  /** Name of the root (pages.ts), and the tokens that the state has taken in. */
  readonly root: string;
  readonly tokens: readonly number[];
}

export class States {
  readonly regions: StateRegion[] = [];
  private readonly free: number[];
  /** The longest unused first. */
  private snapshots: Snapshot[] = [];

  constructor(readonly slots: number) {
    this.free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** A slot whose content is of no matter; the longest unused snapshot gives way. */
  allocate(): number | undefined {
    return this.free.pop() ?? this.snapshots.shift()?.slot;
  }

  release(slot: number): void {
    this.free.push(slot);
  }

  /** The slot becomes a snapshot. */
  keep(slot: number, root: string, tokens: readonly number[]): void {
    this.snapshots = this.snapshots.filter((other) => {
      const isSame = other.root === root && other.tokens.length === tokens.length && agrees(other.tokens, tokens);
      if (isSame) this.free.push(other.slot);
      return !isSame;
    });
    this.snapshots.push({ slot, root, tokens });
  }

  /** Keeps a copy of a slot as it is now. */
  copy(slot: number, root: string, tokens: readonly number[]): void {
    const to = this.allocate();
    if (to === undefined) return;
    this.move(slot, to);
    this.keep(to, root, tokens);
  }

  /**
   * A slot with the longest snapshot that `prompt` begins with, of at most `most` tokens, and its length; where there is
   * none, a clear slot and 0. There must be a slot that no sequence has.
   */
  begin(root: string, prompt: readonly number[], most: number): { slot: number; length: number } {
    let best: Snapshot | undefined;
    for (const snapshot of this.snapshots) {
      const { length } = snapshot.tokens;
      if (snapshot.root !== root || length > most || (best && length <= best.tokens.length)) continue;
      if (agrees(snapshot.tokens, prompt)) best = snapshot;
    }
    // Used last, it gives way last.
    if (best) this.snapshots = [...this.snapshots.filter((other) => other !== best), best];
    const slot = this.allocate()!;
    if (!best) {
      this.clear(slot);
      return { slot, length: 0 };
    }
    if (slot !== best.slot) this.move(best.slot, slot);
    return { slot, length: best.tokens.length };
  }

  clear(slot: number): void {
    for (const { arena, pointer, bytes } of this.regions) arena.bytes(pointer + slot * bytes, bytes).fill(0);
  }

  private move(from: number, to: number): void {
    for (const { arena, pointer, bytes } of this.regions) {
      arena.bytes(pointer + to * bytes, bytes).set(arena.bytes(pointer + from * bytes, bytes));
    }
  }
}

function agrees(begin: readonly number[], tokens: readonly number[]): boolean {
  return begin.every((token, i) => token === tokens[i]);
}
