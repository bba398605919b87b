/** Gradients of the references of the convolution and of the gated delta rule, in float64, token by token. */
import { siluSlope } from './backward.js';
import type { DeltaCase } from './delta.js';
import { sigmoid } from './elementwise.js';

/** Through conv from zeros: dx [tokens, channels] and dw [channels, kernel]. */
export function convBackward(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  dy: ArrayLike<number>,
  channels: number,
): { dx: Float64Array; dw: Float64Array } {
  const kernel = weight.length / channels;
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(weight.length);
  for (let i = 0; i < x.length; i++) {
    const c = i % channels;
    const taps = Array.from({ length: kernel }, (_, j) => ({ w: c * kernel + j, at: i - (kernel - 1 - j) * channels }));
    const inside = taps.filter(({ at }) => at >= 0);
    const dz = dy[i] * siluSlope(inside.reduce((sum, { w, at }) => sum + weight[w] * x[at], 0));
    for (const { w, at } of inside) {
      dx[at] += weight[w] * dz;
      dw[w] += x[at] * dz;
    }
  }
  return { dx, dw };
}

/** Through deltaGates: gradients of a and b [tokens, heads], aLog and dtBias [heads], given those of g and beta. */
export function deltaGatesBackward(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  aLog: ArrayLike<number>,
  dtBias: ArrayLike<number>,
  dg: ArrayLike<number>,
  dBeta: ArrayLike<number>,
): { da: Float64Array; db: Float64Array; dALog: Float64Array; dDtBias: Float64Array } {
  const heads = aLog.length;
  const da = new Float64Array(a.length);
  const db = Float64Array.from(b, (x, i) => dBeta[i] * sigmoid(x) * (1 - sigmoid(x)));
  const dALog = new Float64Array(heads);
  const dDtBias = new Float64Array(heads);
  for (let i = 0; i < a.length; i++) {
    const h = i % heads;
    const x = a[i] + dtBias[h];
    da[i] = -dg[i] * Math.exp(aLog[h]) * sigmoid(x);
    dDtBias[h] += da[i];
    dALog[h] -= dg[i] * Math.exp(aLog[h]) * Math.log1p(Math.exp(x));
  }
  return { da, db, dALog, dDtBias };
}

export interface DeltaGradients {
  dq: Float64Array;
  dk: Float64Array;
  dv: Float64Array;
  dg: Float64Array;
  dBeta: Float64Array;
}

/** Through deltaRule from an empty state, with every state kept. */
export function deltaBackward(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  g: ArrayLike<number>,
  beta: ArrayLike<number>,
  dOut: ArrayLike<number>,
  c: DeltaCase,
): DeltaGradients {
  const { tokens, keyHeads, valueHeads, keyDim, valueDim } = c;
  const [dq, dk, dv, dg, dBeta] = [q, k, v, g, beta].map((x) => new Float64Array(x.length));
  const size = keyDim * valueDim;
  for (let h = 0; h < valueHeads; h++) {
    const keyHead = c.tiled ? h % keyHeads : Math.floor(h / (valueHeads / keyHeads));
    const keyAt = (t: number) => (t * keyHeads + keyHead) * keyDim;
    const decayed: Float64Array[] = [];
    const changes: Float64Array[] = [];
    let state = new Float64Array(size);
    for (let t = 0; t < tokens; t++) {
      const at = t * valueHeads + h;
      const key = unit(k, keyAt(t), keyDim).y;
      const before = state.map((x) => x * Math.exp(g[at]));
      const change = Float64Array.from({ length: valueDim }, (_, j) => {
        const known = key.reduce((sum, x, i) => sum + x * before[i * valueDim + j], 0);
        return v[at * valueDim + j] - known;
      });
      decayed.push(before);
      changes.push(change);
      state = before.map((x, i) => x + key[Math.floor(i / valueDim)] * beta[at] * change[i % valueDim]);
    }
    let dState = new Float64Array(size);
    for (let t = tokens - 1; t >= 0; t--) {
      const at = t * valueHeads + h;
      const before = decayed[t];
      const change = changes[t];
      const key = unit(k, keyAt(t), keyDim);
      const query = unit(q, keyAt(t), keyDim);
      const scale = 1 / Math.sqrt(keyDim);
      const gradient = Float64Array.from({ length: valueDim }, (_, j) => dOut[at * valueDim + j]);
      const dQuery = new Float64Array(keyDim);
      const dKey = new Float64Array(keyDim);
      const written = (i: number, j: number) => before[i * valueDim + j] + key.y[i] * beta[at] * change[j];
      const dAfter = dState.map((x, n) => x + query.y[Math.floor(n / valueDim)] * scale * gradient[n % valueDim]);
      for (let j = 0; j < valueDim; j++) {
        let dChange = 0;
        for (let i = 0; i < keyDim; i++) {
          dQuery[i] += scale * written(i, j) * gradient[j];
          dKey[i] += dAfter[i * valueDim + j] * beta[at] * change[j];
          dChange += dAfter[i * valueDim + j] * key.y[i];
        }
        dBeta[at] += dChange * change[j];
        dv[at * valueDim + j] = beta[at] * dChange;
        for (let i = 0; i < keyDim; i++) {
          dKey[i] -= before[i * valueDim + j] * beta[at] * dChange;
          dAfter[i * valueDim + j] -= key.y[i] * beta[at] * dChange;
        }
      }
      dg[at] = dAfter.reduce((sum, x, n) => sum + x * before[n], 0);
      dState = dAfter.map((x) => x * Math.exp(g[at]));
      query.back(dQuery).forEach((x, i) => {
        dq[keyAt(t) + i] += x;
      });
      key.back(dKey).forEach((x, i) => {
        dk[keyAt(t) + i] += x;
      });
    }
  }
  return { dq, dk, dv, dg, dBeta };
}

/** Some values of x divided by their length, and the way back. */
function unit(x: ArrayLike<number>, start: number, n: number) {
  const row = Float64Array.from({ length: n }, (_, i) => x[start + i]);
  const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 1e-6));
  const y = row.map((value) => value / length);
  const back = (dy: Float64Array) => {
    const along = dy.reduce((sum, value, i) => sum + value * y[i], 0);
    return dy.map((value, i) => (value - y[i] * along) / length);
  };
  return { y, back };
}
