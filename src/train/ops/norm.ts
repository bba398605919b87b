/** RMS norm of rows, or of each head of them (arXiv:1910.07467). */
import type { Norm } from '../../models/weights.js';
import { rmsNorm as forward } from '../../tensor/ops/norm.js';
import { rmsNormBackward, rmsNormBackwardWork } from '../../tensor/ops/norm-backward.js';
import type { Graph } from '../graph.js';
import { parameterOf } from '../parameters.js';
import type { Value } from '../value.js';

export function rmsNorm(graph: Graph, x: Value, w: Norm, heads: number): Value {
  const weight = parameterOf(w.weight);
  const { program } = graph;
  const cols = x.columns / heads;
  const shape = {
    ...{ x: x.pointer, weight: weight.pointer, rows: x.rows, groups: heads, cols },
    ...{ xStride: x.stride, xGroupStride: x.groups === heads ? x.period : cols, eps: w.eps, weightOffset: w.offset },
  };
  const y = graph.value(x.rows, x.columns, x.needsGradient || weight.trained);
  forward(program, { ...shape, y: y.pointer });
  graph.onBackward(y, () => {
    const { pointer: dx, accumulate } = graph.into(x);
    const dw = weight.trained ? weight.gradient : 0;
    const work = graph.alloc(rmsNormBackwardWork(x.rows, heads, cols));
    const strides = { dxStride: x.stride, dxGroupStride: shape.xGroupStride };
    rmsNormBackward(program, { ...shape, ...strides, dy: y.gradient, dx, dw, accumulate, work });
  });
  return y;
}
