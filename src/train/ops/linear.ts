/**
 * y = x·Wᵀ + b (+ residual), or with an adapter what lora.ts makes of it.
 * dx = dy·W, dW = dyᵀ·x, db = Σ rows of dy; the residual's gradient is y's.
 */
import type { Linear } from '../../models/weights.js';
import { copy } from '../../tensor/ops/elementwise.js';
import { frozenBackward, frozenForward, gemm } from '../../tensor/ops/gemm.js';
import { matmul } from '../../tensor/ops/matmul.js';
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
    const operands = { weights: weight.pointer, x: x.pointer, bias: bias?.pointer, y: y.pointer };
    matmul(program, { type: 'f32', ...operands, tokens: rows, rows: out, cols: into, accumulate });
  } else {
    const operands = { weights: weight.pointer, x: x.pointer, xStride: x.stride, y: y.pointer, yStride: out };
    frozenForward(program, { type: weight.type, ...operands, tokens: rows, rows: out, cols: into, accumulate });
    if (bias) addBias(graph, bias, y);
  }

  graph.onBackward(y, () => {
    if (residual) graph.passOn(y, residual);
    if (x.needsGradient) backwardToInput(graph, x, weight, y);
    if (weight.trained) {
      gemm(program, {
        ...{ m: out, n: into, k: rows, a: y.gradient, aStride: out, transposeA: true, b: x.pointer, bStride: x.stride },
        ...{ c: weight.gradient, cStride: into, accumulate: true },
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
    gemm(graph.program, {
      ...{ m: x.rows, n: columns, k: rows, a: y.gradient, aStride: rows, b: weight.pointer, bStride: columns },
      ...{ c: pointer, cStride: columns, accumulate },
    });
    return;
  }
  frozenBackward(graph.program, {
    ...{ type, weights: weight.pointer, dy: y.gradient, dyStride: rows, dx: pointer, dxStride: columns },
    ...{ tokens: x.rows, rows, cols: columns, accumulate },
  });
}

/** Adds a bias to each row of y. */
export function addBias(graph: Graph, bias: Parameter, y: Value): void {
  const ones = graph.arena.put(new Float32Array(y.rows).fill(1));
  gemm(graph.program, {
    ...{ m: y.rows, n: y.columns, k: 1, a: ones, aStride: 1, b: bias.pointer, bStride: y.columns },
    ...{ c: y.pointer, cStride: y.columns, accumulate: true },
  });
}
