/** What a layer of the gated delta rule computes before its norm: a short convolution, gates, and the rule itself. */
import type { DeltaShape } from '../../models/ops.js';
import type { Vector } from '../../models/weights.js';
import { convBackward, convTrain } from '../../tensor/ops/conv-train.js';
import { deltaGates } from '../../tensor/ops/delta.js';
import { deltaBackward, deltaGatesBackward, deltaKeptBytes, deltaTrain } from '../../tensor/ops/delta-train.js';
import { sumColumnsWork } from '../../tensor/ops/sums.js';
import type { Graph } from '../graph.js';
import { parameterOf } from '../parameters.js';
import type { Value } from '../value.js';

/** Causal depthwise convolution within each sequence, then SiLU. */
export function conv(graph: Graph, x: Value, w: Vector, kernel: number): Value {
  const { program } = graph;
  const weight = parameterOf(w);
  const { pointer: runs, count: runCount } = graph.step.sequences;
  const { rows, columns: channels } = x;
  const operands = { x: x.pointer, weight: weight.pointer, channels, kernel, xStride: x.stride, runs, runCount };
  const y = graph.value(rows, channels, x.needsGradient || weight.trained);
  convTrain(program, { ...operands, y: y.pointer });
  graph.onBackward(y, () => {
    const { pointer: dx, accumulate } = graph.into(x);
    const dw = weight.trained ? weight.gradient : 0;
    convBackward(program, { ...operands, dy: y.gradient, dx, dxStride: x.gradientStride, dw, accumulate });
  });
  return y;
}

/** qkv [rows, 2 · keyHeads · keyDim + valueHeads · valueDim] to [rows, valueHeads · valueDim]. */
export function deltaRule(
  graph: Graph,
  qkv: Value,
  a: Value,
  b: Value,
  w: { aLog: Vector; dtBias: Vector },
  shape: DeltaShape,
): Value {
  const { program } = graph;
  const { keyHeads, valueHeads: heads, keyDim, valueDim } = shape;
  const { rows } = qkv;
  const [aLog, dtBias] = [parameterOf(w.aLog), parameterOf(w.dtBias)];
  const [g, beta] = [graph.alloc(4 * rows * heads), graph.alloc(4 * rows * heads)];
  const gates = { a: a.pointer, aStride: a.stride, aLog: aLog.pointer, dtBias: dtBias.pointer, g, beta, heads };
  deltaGates(program, { ...gates, b: b.pointer, bStride: b.stride, tokens: rows });
  const keyBytes = 4 * keyHeads * keyDim;
  const { pointer: runs, count: runCount } = graph.step.sequences;
  const needsGradient = qkv.needsGradient || a.needsGradient || b.needsGradient || aLog.trained || dtBias.trained;
  const operands = {
    ...{ ...shape, q: qkv.pointer, k: qkv.pointer + keyBytes, v: qkv.pointer + 2 * keyBytes, stride: qkv.stride },
    ...{
      g,
      beta,
      runs,
      runCount,
      kept: graph.recording && needsGradient ? graph.alloc(deltaKeptBytes(rows, shape)) : 0,
    },
  };
  const y = graph.value(rows, heads * valueDim, needsGradient);
  deltaTrain(program, { ...operands, out: y.pointer });
  graph.onBackward(y, () => {
    const [dg, dLogBeta] = [graph.alloc(4 * rows * heads), graph.alloc(4 * rows * heads)];
    graph.overwrite(qkv, (dq) => {
      const gradients = { dq, dk: dq + keyBytes, dv: dq + 2 * keyBytes, dStride: qkv.gradientStride, dg, dLogBeta };
      deltaBackward(program, { ...operands, ...gradients, dOut: y.gradient });
    });
    const work = graph.alloc(sumColumnsWork(rows, heads));
    graph.overwrite(a, (da) => {
      graph.overwrite(b, (db) => {
        deltaGatesBackward(program, {
          ...{ ...gates, dg, dLogBeta, da, daStride: a.gradientStride, db, dbStride: b.gradientStride, rows, work },
          ...{ dALog: aLog.trained ? aLog.gradient : 0, dDtBias: dtBias.trained ? dtBias.gradient : 0 },
        });
      });
    });
  });
  return y;
}
