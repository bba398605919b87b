/** Rotary position embedding (arXiv:2104.09864). The way back turns the gradient by the opposite angles, in place. */
import type { Rope } from '../../models/rope.js';
import { rope as rotate } from '../../tensor/ops/rope.js';
import type { Graph } from '../graph.js';
import { Value } from '../value.js';

/** `x` has no other reader: its gradient is where y's was. */
export function rope(graph: Graph, x: Value, heads: number, headDim: number, by: Rope): Value {
  const { program } = graph;
  const { cos, sin, minusSin } = graph.step.sequences.angles(by);
  const table = { cos, tokens: x.rows, headDim, rotaryDim: by.rotaryDim, interleaved: by.interleaved };
  const y = new Value(
    graph.alloc(4 * x.rows * x.columns),
    x.rows,
    x.columns,
    x.needsGradient,
    x.columns,
    1,
    x.columns,
    undefined,
    x,
  );
  rotate(program, { ...table, sin, parts: [{ heads, tokenStride: x.stride, x: x.pointer, y: y.pointer }] });
  graph.onBackward(y, () => {
    rotate(program, { ...table, sin: minusSin, parts: [{ heads, tokenStride: y.gradientStride, x: y.gradient }] });
    x.hasGradient = true;
  });
  return y;
}
