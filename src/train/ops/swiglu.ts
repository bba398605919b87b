import { swiglu as forward } from '../../tensor/ops/elementwise.js';
import { swigluBackward } from '../../tensor/ops/elementwise-backward.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';

/** SwiGLU (arXiv:2002.05202): silu(gate) · up. */
export function swiglu(graph: Graph, gate: Value, up: Value): Value {
  const { program } = graph;
  const { rows, columns } = gate;
  const y = graph.value(rows, columns, gate.needsGradient || up.needsGradient);
  const operands = { gate: gate.pointer, up: up.pointer, gateStride: gate.stride, upStride: up.stride };
  forward(program, { ...operands, y: y.pointer, tokens: rows, n: columns });
  graph.onBackward(y, () => {
    // Products keep their inputs for the way back, not their results.
    gate.giveWay();
    up.giveWay();
    const [dGate, dUp] = [graph.into(gate).pointer, graph.into(up).pointer];
    const strides = { dGateStride: gate.gradientStride, dUpStride: up.gradientStride };
    swigluBackward(program, { ...operands, ...strides, dy: y.gradient, dGate, dUp, rows, cols: columns });
  });
  return y;
}
