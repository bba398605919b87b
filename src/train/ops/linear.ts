/**
 * y = x·Wᵀ + b (+ residual), or with an adapter what lora.ts makes of it.
 * dx = dy·W, dW = dyᵀ·x, db = Σ rows of dy; the residual's gradient is y's.
 */
import type { Linear } from '../../models/weights.js';
import { copy } from '../../tensor/ops/elementwise.js';
import { frozenBackward, frozenBackwardWork, frozenForward, gemm, gemmWork } from '../../tensor/ops/gemm.js';
import { sumColumns, sumColumnsWork } from '../../tensor/ops/sums.js';
import type { Graph } from '../graph.js';
import { type Parameter, parameterOf } from '../parameters.js';
import type { Value } from '../value.js';
import { addLowRank, scaleToMagnitude } from './lora.js';

export function linear(graph: Graph, x: Value, w: Linear, residual?: Value): Value {
  const weight = parameterOf(w.weight);
  const bias = w.bias && parameterOf(w.bias);
  const { lora } = weight;
  if (lora?.magnitude) {
    const product = project(graph, x, weight);
    addLowRank(graph, x, lora, product);
    return scaleToMagnitude(graph, product, lora.magnitude, bias, residual);
  }
  const y = project(graph, x, weight, bias, residual);
  if (lora) addLowRank(graph, x, lora, y);
  return y;
}

function project(graph: Graph, x: Value, weight: Parameter, bias?: Parameter, residual?: Value): Value {
  const { program } = graph;
  const { rows } = x;
  const { rows: out, columns: into } = weight;
  const trained = weight.trained || bias?.trained || weight.lora !== undefined;
  const y = graph.value(rows, out, x.needsGradient || residual?.needsGradient || trained);
  if (residual) copy(program, { src: residual.pointer, dst: y.pointer, bytes: 4 * rows * out });
  const accumulate = residual !== undefined;
  if (weight.type === 'f32') {
    gemm(program, {
      ...{ m: rows, n: out, k: into, a: x.pointer, aStride: x.stride, c: y.pointer, cStride: out, accumulate },
      ...{ b: weight.pointer, bStride: into, transposeB: true },
    });
  } else {
    const operands = { weights: weight.pointer, x: x.pointer, xStride: x.stride, y: y.pointer, yStride: out };
    frozenForward(program, { type: weight.type, ...operands, tokens: rows, rows: out, cols: into, accumulate });
  }
  if (bias) addBias(graph, bias, y);

  graph.onBackward(y, () => {
    if (residual) graph.passOn(y, residual);
    if (x.needsGradient) backwardToInput(graph, x, weight, y);
    if (weight.trained) {
      const shape = { m: out, n: into, k: rows, transposeA: true };
      gemm(program, {
        ...{ ...shape, a: y.gradient, aStride: out, b: x.pointer, bStride: x.stride },
        ...{ c: weight.gradient, cStride: into, accumulate: true, work: graph.alloc(gemmWork(shape)) },
      });
    }
    if (bias?.trained) {
      const work = graph.alloc(sumColumnsWork(rows, out));
      sumColumns(program, { x: y.gradient, y: bias.gradient, rows, cols: out, accumulate: true, work });
    }
  });
  return y;
}

/** dx (+)= dy·W. */
function backwardToInput(graph: Graph, x: Value, weight: Parameter, y: Value): void {
  const { pointer, accumulate } = graph.into(x);
  const { type, rows, columns } = weight;
  if (type === 'f32') {
    const shape = { m: x.rows, n: columns, k: rows };
    gemm(graph.program, {
      ...{ ...shape, a: y.gradient, aStride: rows, b: weight.pointer, bStride: columns },
      ...{ c: pointer, cStride: columns, accumulate, work: graph.alloc(gemmWork(shape)) },
    });
    return;
  }
  const shape = { type, tokens: x.rows, rows, cols: columns };
  frozenBackward(graph.program, {
    ...{ ...shape, weights: weight.pointer, dy: y.gradient, dyStride: rows, dx: pointer, dxStride: columns },
    ...{ accumulate, work: graph.alloc(frozenBackwardWork(shape)) },
  });
}

/** Adds a bias to each row of y. */
export function addBias(graph: Graph, bias: Parameter, y: Value): void {
  gemm(graph.program, {
    ...{ m: y.rows, n: y.columns, k: 1, a: graph.one, aStride: 0, b: bias.pointer, bStride: y.columns },
    ...{ c: y.pointer, cStride: y.columns, accumulate: true },
  });
}
