/**
 * Mixture of SwiGLU experts: rows are sorted by expert, each expert's matrices see their own rows, results return weighted.
 * Which experts are chosen has no gradient; their weights have one, through softmax and normalisation.
 */
import type { Experts } from '../../models/weights.js';
import { copy } from '../../tensor/ops/elementwise.js';
import { gemmExperts } from '../../tensor/ops/gemm.js';
import { combine, gather, route } from '../../tensor/ops/moe.js';
import { combineBackward, gatherBackward, routeBackward } from '../../tensor/ops/moe-backward.js';
import type { Graph } from '../graph.js';
import { type Parameter, parameterOf } from '../parameters.js';
import type { Value } from '../value.js';
import { linear } from './linear.js';
import { swiglu } from './swiglu.js';

export function experts(graph: Graph, x: Value, w: Experts, residual: Value): Value {
  const { program } = graph;
  const { count, topK, hidden, intermediate, normalize } = w;
  const tokens = x.rows;
  const assigned = tokens * topK;
  const logits = linear(graph, x, w.router);
  const [ids, weights] = [graph.alloc(4 * assigned), graph.alloc(4 * assigned)];
  const routing = { logits: logits.pointer, tokens, experts: count, topK, normalize, ids, weights };
  route(program, routing);
  const [offsets, order, inverse] = [count + 1, assigned, assigned].map((n) => graph.alloc(4 * n));
  const [gate, up, down] = [w.gate, w.up, w.down].map(parameterOf);
  const needsGradient = x.needsGradient || gate.trained;

  const sorted = graph.value(assigned, hidden, needsGradient);
  const sorting = { ids, tokens, topK, experts: count, offsets, order, inverse };
  gather(program, { ...sorting, x: x.pointer, xStride: x.stride, xs: sorted.pointer, cols: hidden });
  graph.onBackward(sorted, () => {
    const { pointer: dx, accumulate } = graph.into(x);
    gatherBackward(program, { dxs: sorted.gradient, inverse, dx, accumulate, tokens, topK, cols: hidden });
  });

  const through = (from: Value, weight: Parameter, out: number) => project(graph, from, weight, out, offsets, count);
  const inner = swiglu(graph, through(sorted, gate, intermediate), through(sorted, up, intermediate));
  const each = through(inner, down, hidden);

  const y = graph.value(tokens, hidden, true);
  copy(program, { src: residual.pointer, dst: y.pointer, bytes: 4 * tokens * hidden });
  combine(program, {
    ...{ y: each.pointer, inverse, weights, out: y.pointer, tokens, topK, cols: hidden, accumulate: true },
  });
  graph.onBackward(y, () => {
    const dWeights = graph.alloc(4 * assigned);
    graph.overwrite(each, (dy) => {
      combineBackward(program, {
        ...{ y: each.pointer, inverse, weights, dOut: y.gradient, dy, dWeights, tokens, topK, cols: hidden },
      });
    });
    if (logits.needsGradient) {
      graph.overwrite(logits, (dLogits) => routeBackward(program, { ...routing, dWeights, dLogits }));
    }
    graph.passOn(y, residual);
  });
  return y;
}

/** Each row times the matrix of the expert it belongs to. */
function project(graph: Graph, x: Value, weight: Parameter, out: number, offsets: number, count: number): Value {
  const { program } = graph;
  const { rows, columns } = x;
  const group = { experts: count, offsets, matrixStride: weight.rows * weight.columns };
  const y = graph.value(rows, out, x.needsGradient || weight.trained);
  gemmExperts(program, {
    ...{ m: rows, n: out, k: columns, a: x.pointer, aStride: columns },
    ...{ b: weight.pointer, bStride: columns, transposeB: true, c: y.pointer, cStride: out },
    ...{ ...group, along: 'm' },
  });
  graph.onBackward(y, () => {
    if (x.needsGradient) {
      const { pointer, accumulate } = graph.into(x);
      gemmExperts(program, {
        ...{ m: rows, n: columns, k: out, a: y.gradient, aStride: out, b: weight.pointer, bStride: columns },
        ...{ c: pointer, cStride: columns, accumulate, ...group, along: 'm' },
      });
    }
    if (weight.trained) {
      gemmExperts(program, {
        ...{ m: out, n: columns, k: rows, a: y.gradient, aStride: out, transposeA: true },
        ...{ b: x.pointer, bStride: columns, c: weight.gradient, cStride: columns, accumulate: true },
        ...{ ...group, along: 'k' },
      });
    }
  });
  return y;
}
