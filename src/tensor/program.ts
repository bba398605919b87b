/**
 * A program: a list of operation records in an arena's memory, written here and run by the team.
 * Pointers are byte addresses in that arena.
 */
import { KaiwenError } from '../errors.js';
import { OP_BYTES, OP_FLOATS, OP_INTS, type Op } from './opcodes.js';

export class Program {
  count = 0;
  private readonly ints: Int32Array;
  private readonly floats: Float32Array;

  /** Records operations into `capacity` records at `pointer` of `memory`. */
  constructor(
    memory: WebAssembly.Memory,
    readonly pointer: number,
    readonly capacity: number,
  ) {
    this.ints = new Int32Array(memory.buffer, pointer, (capacity * OP_BYTES) / 4);
    this.floats = new Float32Array(memory.buffer, pointer, (capacity * OP_BYTES) / 4);
  }

  /** Appends an operation of `pieces` independent pieces (at least 1). */
  emit(op: Op, pieces: number, ints: readonly number[], floats: readonly number[] = []): void {
    if (this.count === this.capacity)
      throw new KaiwenError('internal', `A program outgrew ${this.capacity} operations.`);
    // An operation without pieces would never end.
    if (!(pieces >= 1)) throw new KaiwenError('internal', `Operation ${op} has ${pieces} pieces.`);
    const base = (this.count++ * OP_BYTES) / 4;
    // What an operation does not say is 0, never what an earlier program left there.
    this.ints.fill(0, base, base + OP_BYTES / 4);
    this.ints[base] = op;
    this.ints[base + 1] = pieces;
    for (let i = 0; i < ints.length; i++) this.ints[base + OP_INTS / 4 + i] = ints[i];
    for (let i = 0; i < floats.length; i++) this.floats[base + OP_FLOATS / 4 + i] = floats[i];
  }

  clear(): void {
    this.count = 0;
  }
}
