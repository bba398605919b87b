/**
 * A stretch of the tape from one residual stream to the next: a block. It keeps its activations for the way back, or
 * only its input, and computes them again (gradient checkpointing, arXiv:1604.06174). The gradient of the residual stream
 * stays in one place through all segments.
 */
import { copy } from '../tensor/ops/elementwise.js';
import type { Backward, Graph } from './graph.js';
import type { Value } from './value.js';

export type Forward = (x: Value) => Value;

export interface Segment {
  readonly output: Value;
  /** Records the way back: the gradient at `pointer` was that of the output and becomes that of the input. */
  backward(pointer: number): void;
}

/** Keeps what backward needs. */
export function keep(graph: Graph, forward: Forward, input: Value): Segment {
  let output = input;
  const nodes = graph.record(() => {
    output = forward(input);
  });
  return { output, backward: (pointer) => back(graph, nodes, input, output, pointer) };
}

/** Keeps the input alone. */
export function recompute(graph: Graph, forward: Forward, input: Value): Segment {
  const output = once(graph, forward, input);
  return {
    output,
    backward(pointer) {
      const mark = graph.arena.mark;
      keep(graph, forward, input).backward(pointer);
      graph.arena.release(mark);
    },
  };
}

/** Computes forwards only and gives back all memory but the output's. */
export function once(graph: Graph, forward: Forward, input: Value): Value {
  const output = graph.value(input.rows, input.columns, true);
  const mark = graph.arena.mark;
  const y = forward(input);
  copy(graph.program, { src: y.pointer, dst: output.pointer, bytes: 4 * y.rows * y.columns });
  graph.arena.release(mark);
  return output;
}

function back(graph: Graph, nodes: readonly Backward[], input: Value, output: Value, pointer: number): void {
  const mark = graph.arena.mark;
  output.gradient = pointer;
  output.hasGradient = true;
  for (const node of nodes.toReversed()) node();
  if (input.hasGradient && input.gradient !== pointer) {
    copy(graph.program, { src: input.gradient, dst: pointer, bytes: 4 * input.rows * input.columns });
  }
  graph.arena.release(mark);
}
