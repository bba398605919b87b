/**
 * The tape: operations record themselves forwards into the arena's program and leave behind how to go back. Going back
 * records again; nothing is computed until the program runs. Memory is taken from the bottom of the arena and given back
 * segment by segment (segment.ts), so its peak is known from recording alone.
 */
import type { Rope } from '../models/rope.js';
import type { Arena } from '../tensor/arena.js';
import { copy } from '../tensor/ops/elementwise.js';
import { axpby } from '../tensor/ops/elementwise-backward.js';
import type { Program } from '../tensor/program.js';
import { Value } from './value.js';

/** Where the step's sequences are in the arena. */
export interface Sequences {
  /** int32 [count, 2]: first row, rows. */
  pointer: number;
  count: number;
  longest: number;
  rows: number;
  /** f32 [rows, rotaryDim / 2] for a rope: cosines, sines and their negatives. */
  angles(rope: Rope): { cos: number; sin: number; minusSin: number };
  /** f32 [rows]: a function of each row's position, the same in all layers. */
  perPosition(f: (position: number) => number): number;
}

export interface Step {
  sequences: Sequences;
  /** Seeds dropout and noise; a segment that is computed again draws the same. */
  seed: number;
  /** Whether dropout and noise act. */
  noisy: boolean;
}

export type Backward = () => void;

export class Graph {
  step!: Step;
  /** Whether operations leave their way back. */
  recording = false;
  private nodes: Backward[] = [];

  /** Address of an f32 1: a matrix of ones is this with a stride of 0. It stays: what is put later may be overwritten before it is read. */
  readonly one: number;

  constructor(readonly arena: Arena) {
    this.one = arena.put(Float32Array.of(1));
  }

  get program(): Program {
    return this.arena.program;
  }

  alloc(bytes: number): number {
    return this.arena.alloc(bytes);
  }

  /** Fresh memory for a result. */
  value(rows: number, columns: number, needsGradient: boolean): Value {
    return new Value(this.alloc(4 * rows * columns), rows, columns, needsGradient);
  }

  /** `node` records what takes the gradient of `y` to the inputs of its operation. It is dropped where none will come. */
  onBackward(y: Value, node: Backward): void {
    if (!this.recording || !y.needsGradient) return;
    this.nodes.push(() => {
      if (y.hasGradient) node();
    });
  }

  /** Where an operation puts its share of the gradient of `x`, and whether to add it there. */
  into(x: Value): { pointer: number; accumulate: boolean } {
    x.place((bytes) => this.alloc(bytes));
    const accumulate = x.hasGradient;
    x.hasGradient = true;
    return { pointer: x.gradient, accumulate };
  }

  /** Like `into` for operations that can only overwrite: `write` gets fresh memory, of x's strides, where x has a gradient already. */
  overwrite(x: Value, write: (pointer: number) => void): void {
    const { pointer, accumulate } = this.into(x);
    if (!accumulate) {
      write(pointer);
      return;
    }
    const n = x.rows * x.columns;
    const own = this.alloc(4 * n);
    write(own);
    axpby(this.program, { x: own, y: pointer, n, a: 1, b: 1 });
  }

  /** The gradient of `y` is also that of `x`, which y contains unchanged. */
  passOn(y: Value, x: Value): void {
    if (!x.needsGradient) return;
    if (!x.hasGradient && x.gradient === 0) {
      x.gradient = y.gradient;
      x.hasGradient = true;
      return;
    }
    const n = x.rows * x.columns;
    const { pointer, accumulate } = this.into(x);
    if (accumulate) axpby(this.program, { x: y.gradient, y: pointer, n, a: 1, b: 1 });
    else copy(this.program, { src: y.gradient, dst: pointer, bytes: 4 * n });
  }

  /** The ways back that `body` leaves, in the order of its operations. */
  record(body: () => void): Backward[] {
    const [outer, wasRecording] = [this.nodes, this.recording];
    this.nodes = [];
    this.recording = true;
    try {
      body();
      return this.nodes;
    } finally {
      this.nodes = outer;
      this.recording = wasRecording;
    }
  }
}
