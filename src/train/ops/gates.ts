/** The gates of Qwen3.5: x · sigmoid(gate) after attention, norm(x) · silu(gate) after the delta rule. */
import type { Norm } from '../../models/weights.js';
import { sigmoidGate as gateForward } from '../../tensor/ops/elementwise.js';
import { sigmoidGateBackward } from '../../tensor/ops/elementwise-backward.js';
import { gatedNorm as normForward } from '../../tensor/ops/norm.js';
import { gatedNormBackward, rmsNormBackwardWork } from '../../tensor/ops/norm-backward.js';
import type { Graph } from '../graph.js';
import { parameterOf } from '../parameters.js';
import type { Value } from '../value.js';

export function sigmoidGate(graph: Graph, x: Value, gate: Value): Value {
  const { program } = graph;
  const { rows, columns } = x;
  const { groups, period } = gate;
  const operands = { x: x.pointer, gate: gate.pointer, rows, groups, cols: columns / groups };
  const strides = { xStride: x.stride, gateStride: gate.stride, gateGroupStride: period };
  const y = graph.value(rows, columns, x.needsGradient || gate.needsGradient);
  gateForward(program, { ...operands, ...strides, y: y.pointer });
  graph.onBackward(y, () => {
    const [dx, dGate] = [graph.into(x).pointer, graph.into(gate).pointer];
    const back = { dxStride: x.gradientStride, dGateStride: gate.gradientStride, dGateGroupStride: period };
    sigmoidGateBackward(program, { ...operands, ...strides, ...back, dy: y.gradient, dx, dGate });
  });
  return y;
}

export function gatedNorm(graph: Graph, x: Value, gate: Value, w: Norm, heads: number): Value {
  const { program } = graph;
  const weight = parameterOf(w.weight);
  const { rows, columns } = x;
  const cols = columns / heads;
  const operands = { x: x.pointer, gate: gate.pointer, weight: weight.pointer, rows, groups: heads, cols, eps: w.eps };
  const strides = { xStride: x.stride, gateStride: gate.stride };
  const y = graph.value(rows, columns, x.needsGradient || gate.needsGradient || weight.trained);
  normForward(program, { ...operands, ...strides, y: y.pointer });
  graph.onBackward(y, () => {
    const [dx, dGate] = [graph.into(x).pointer, graph.into(gate).pointer];
    const back = { dxStride: x.gradientStride, dGateStride: gate.gradientStride };
    const dw = weight.trained ? weight.gradient : 0;
    const work = graph.alloc(rmsNormBackwardWork(rows, heads, cols));
    gatedNormBackward(program, { ...operands, ...strides, ...back, dy: y.gradient, dx, dGate, dw, work });
  });
  return y;
}
