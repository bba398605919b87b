/** Causal attention within each sequence of the step; backward recomputes the weights from their log-sum-exp (arXiv:2205.14135). */
import type { AttentionShape } from '../../models/ops.js';
import {
  attentionBackward,
  attentionBackwardWork,
  attentionForward,
  attentionForwardWork,
} from '../../tensor/ops/attention-train.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';

/** q [rows, heads · headDim], k and v [rows, kvHeads · headDim] to [rows, heads · headDim]. */
export function attention(graph: Graph, q: Value, k: Value, v: Value, shape: AttentionShape): Value {
  const { program } = graph;
  const { heads, kvHeads, headDim, scale, queryScale } = shape;
  const { sequences } = graph.step;
  const { rows } = q;
  const y = graph.value(rows, heads * headDim, q.needsGradient || k.needsGradient || v.needsGradient);
  const operands = {
    ...{ q: q.pointer, k: k.pointer, v: v.pointer, out: y.pointer },
    ...{ qStride: q.stride, kStride: k.stride, vStride: v.stride },
    ...{ heads, kvHeads, headDim, scale, rows },
    ...{ runs: sequences.pointer, runCount: sequences.count, maxRows: sequences.longest },
    lse: graph.alloc(4 * rows * heads),
    qScale: queryScale ? sequences.perPosition(queryScale) : 0,
  };
  const mark = graph.arena.mark;
  attentionForward(program, { ...operands, work: graph.alloc(attentionForwardWork(operands)) });
  graph.arena.release(mark);
  graph.onBackward(y, () => {
    const work = graph.alloc(attentionBackwardWork(operands));
    const [dq, dk, dv] = [q, k, v].map((x) => graph.into(x).pointer);
    const strides = { dqStride: q.gradientStride, dkStride: k.gradientStride, dvStride: v.gradientStride };
    attentionBackward(program, { ...operands, ...strides, dOut: y.gradient, dq, dk, dv, work });
  });
  return y;
}
