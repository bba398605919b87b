import { attention } from './attention.js';

export interface TrainCase {
  heads: number;
  kvHeads: number;
  headDim: number;
  scale: number;
  /** Rows of each sequence, one after the other. */
  runs: readonly number[];
  /** A factor for every row's scores. */
  qScale?: ArrayLike<number>;
}

type Numbers = Float32Array | Float64Array;

/** Causal attention of packed sequences in float64; q [rows, heads, dim], k and v [rows, kvHeads, dim]. */
export function attentionForward(q: Numbers, k: Numbers, v: Numbers, c: TrainCase): Float64Array {
  const out = new Float64Array(q.length);
  let row = 0;
  for (const tokens of c.runs) {
    const part = (x: Numbers, heads: number) => rowsOf(x, row, tokens, heads * c.headDim);
    const qScale = c.qScale && Array.from({ length: tokens }, (_, t) => c.qScale![row + t]);
    const result = attention(part(q, c.heads), part(k, c.kvHeads), part(v, c.kvHeads), {
      ...c,
      tokens,
      position: 0,
      qScale,
    });
    out.set(result, row * c.heads * c.headDim);
    row += tokens;
  }
  return out;
}

function rowsOf(x: Numbers, row: number, rows: number, width: number): Numbers {
  return x.subarray(row * width, (row + rows) * width);
}

/** Each row's weights, for one row and head at a time, and the logarithm of the sum they were divided by. */
function eachRow(
  q: Numbers,
  k: Numbers,
  c: TrainCase,
  use: (row: number, head: number, first: number, weights: number[], lse: number, factor: number) => void,
): void {
  const { heads, kvHeads, headDim, scale } = c;
  let first = 0;
  for (const rows of c.runs) {
    for (let row = first; row < first + rows; row++) {
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads));
        const factor = scale * (c.qScale?.[row] ?? 1);
        const scores = Array.from({ length: row - first + 1 }, (_, s) => {
          let dot = 0;
          for (let d = 0; d < headDim; d++)
            dot += q[(row * heads + head) * headDim + d] * k[((first + s) * kvHeads + kvHead) * headDim + d];
          return dot * factor;
        });
        const top = scores.reduce((a, b) => Math.max(a, b));
        const total = scores.reduce((sum, x) => sum + Math.exp(x - top), 0);
        const lse = top + Math.log(total);
        use(
          row,
          head,
          first,
          scores.map((x) => Math.exp(x - lse)),
          lse,
          factor,
        );
      }
    }
    first += rows;
  }
}

/** [rows, heads]: log Σ e^score. */
export function logSumExp(q: Numbers, k: Numbers, c: TrainCase): Float64Array {
  const lse = new Float64Array(q.length / c.headDim);
  eachRow(q, k, c, (row, head, _first, _weights, value) => {
    lse[row * c.heads + head] = value;
  });
  return lse;
}

/** Gradients of Σ dOut · out. */
export function attentionBackward(
  q: Numbers,
  k: Numbers,
  v: Numbers,
  dOut: Numbers,
  c: TrainCase,
): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const { heads, kvHeads, headDim } = c;
  const [dq, dk, dv] = [q, k, v].map((x) => new Float64Array(x.length));
  eachRow(q, k, c, (row, head, first, weights, _lse, factor) => {
    const query = (row * heads + head) * headDim;
    const key = (s: number) => ((first + s) * kvHeads + Math.floor(head / (heads / kvHeads))) * headDim;
    // Of the weights, then of the scores.
    const dWeights = weights.map((_, s) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += dOut[query + d] * v[key(s) + d];
      return dot;
    });
    const mean = weights.reduce((sum, w, s) => sum + w * dWeights[s], 0);
    weights.forEach((w, s) => {
      const dScore = w * (dWeights[s] - mean) * factor;
      for (let d = 0; d < headDim; d++) {
        dv[key(s) + d] += w * dOut[query + d];
        dq[query + d] += dScore * k[key(s) + d];
        dk[key(s) + d] += dScore * q[query + d];
      }
    });
  });
  return { dq, dk, dv };
}
