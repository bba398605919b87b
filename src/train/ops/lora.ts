/**
 * A low-rank adapter beside a linear layer (lora.ts in the folder above holds its parameters).
 * LoRA: y = x·Wᵀ + s·(drop(x)·Aᵀ)·Bᵀ. DoRA: each column of that scaled to a trained magnitude.
 */
import { copy } from '../../tensor/ops/elementwise.js';
import { axpby } from '../../tensor/ops/elementwise-backward.js';
import { gemm } from '../../tensor/ops/gemm.js';
import { dropout } from '../../tensor/ops/random.js';
import { scaleColumns } from '../../tensor/ops/scale.js';
import { dotColumns, sumColumnsWork } from '../../tensor/ops/sums.js';
import type { Graph } from '../graph.js';
import type { Lora, Magnitude } from '../lora.js';
import type { Parameter } from '../parameters.js';
import type { Value } from '../value.js';
import { addBias } from './linear.js';

/** Adds s·(drop(x)·Aᵀ)·Bᵀ onto y, whose own way back is recorded before. */
export function addLowRank(graph: Graph, x: Value, lora: Lora, y: Value): void {
  const { program } = graph;
  const { a, b, scale, rate, rank } = lora;
  const { rows, columns: into } = x;
  const out = y.columns;
  const drops = graph.step.noisy && rate > 0;
  const seed = (graph.step.seed ^ Math.imul(lora.index + 1, 0x9e3779b1)) >>> 0;
  let input = x.pointer;
  if (drops) {
    input = graph.alloc(4 * rows * into);
    dropout(program, { x: x.pointer, y: input, n: rows * into, rate, seed });
  }
  // h = s·drop(x)·Aᵀ; y += h·Bᵀ
  const h = graph.alloc(4 * rows * rank);
  const toRank = { a: input, aStride: into, b: a.pointer, bStride: into, transposeB: true, c: h, cStride: rank };
  gemm(program, { m: rows, n: rank, k: into, ...toRank });
  axpby(program, { x: h, y: h, n: rows * rank, a: scale, b: 0 });
  const fromRank = { a: h, aStride: rank, b: b.pointer, bStride: rank, transposeB: true, c: y.pointer, cStride: out };
  gemm(program, { m: rows, n: out, k: rank, ...fromRank, accumulate: true });

  graph.onBackward(y, () => {
    // dB = dyᵀ·h; dh = s·dy·B; dA = dhᵀ·drop(x); dx += drop(dh·A)
    const dy = { a: y.gradient, aStride: out };
    const dB = { transposeA: true, b: h, bStride: rank, c: b.gradient, cStride: rank, accumulate: true };
    gemm(program, { m: out, n: rank, k: rows, ...dy, ...dB });
    const dh = graph.alloc(4 * rows * rank);
    gemm(program, { m: rows, n: rank, k: out, ...dy, b: b.pointer, bStride: rank, c: dh, cStride: rank });
    axpby(program, { x: dh, y: dh, n: rows * rank, a: scale, b: 0 });
    const dA = { transposeA: true, b: input, bStride: into, c: a.gradient, cStride: into, accumulate: true };
    gemm(program, { m: rank, n: into, k: rows, a: dh, aStride: rank, ...dA });
    if (!x.needsGradient) return;
    const back = { m: rows, n: into, k: rank, a: dh, aStride: rank, b: a.pointer, bStride: into, cStride: into };
    if (!drops) {
      const { pointer, accumulate } = graph.into(x);
      gemm(program, { ...back, c: pointer, accumulate });
      return;
    }
    graph.overwrite(x, (dx) => {
      gemm(program, { ...back, c: dx });
      dropout(program, { x: dx, y: dx, n: rows * into, rate, seed });
    });
  });
}

/** z·diag(m / ‖W + s·B·A‖) + bias (+ residual). As in DoRA's paper the norms are constants on the way back. */
export function scaleToMagnitude(
  graph: Graph,
  z: Value,
  magnitude: Magnitude,
  bias: Parameter | undefined,
  residual: Value | undefined,
): Value {
  const { program } = graph;
  const { rows, columns: cols } = z;
  const { factors, inverseNorms, parameter } = magnitude;
  const y = graph.value(rows, cols, true);
  if (residual) copy(program, { src: residual.pointer, dst: y.pointer, bytes: 4 * rows * cols });
  const accumulate = residual !== undefined;
  scaleColumns(program, { x: z.pointer, y: y.pointer, scale: factors, rows, cols, accumulate });
  if (bias) addBias(graph, bias, y);
  graph.onBackward(y, () => {
    if (residual) graph.passOn(y, residual);
    const dots = graph.alloc(4 * cols);
    const work = graph.alloc(sumColumnsWork(rows, cols));
    dotColumns(program, { a: y.gradient, b: z.pointer, y: dots, rows, cols, accumulate: false, work });
    scaleColumns(program, { x: dots, y: parameter.gradient, scale: inverseNorms, rows: 1, cols, accumulate: true });
    const { pointer, accumulate } = graph.into(z);
    scaleColumns(program, { x: y.gradient, y: pointer, scale: factors, rows, cols, accumulate });
  });
  return y;
}
