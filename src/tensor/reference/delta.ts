import { sigmoid, softplus } from './elementwise.js';

/** Decay logarithms and write strengths of [tokens, heads], in float64. */
export function deltaGates(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  aLog: ArrayLike<number>,
  dtBias: ArrayLike<number>,
): { g: Float64Array; beta: Float64Array } {
  const heads = aLog.length;
  const decay = (_: number, i: number) => -Math.exp(aLog[i % heads]) * softplus(a[i] + dtBias[i % heads]);
  return { g: new Float64Array(a.length).map(decay), beta: Float64Array.from(b, sigmoid) };
}

export interface DeltaCase {
  tokens: number;
  keyHeads: number;
  valueHeads: number;
  keyDim: number;
  valueDim: number;
  tiled: boolean;
}

/** The gated delta rule, token by token, in float64. `state` [valueHeads, keyDim, valueDim] is updated. */
export function deltaRule(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  g: ArrayLike<number>,
  beta: ArrayLike<number>,
  state: Float64Array,
  c: DeltaCase,
): Float64Array {
  const { tokens, keyHeads, valueHeads, keyDim, valueDim } = c;
  const out = new Float64Array(tokens * valueHeads * valueDim);
  for (let t = 0; t < tokens; t++) {
    for (let h = 0; h < valueHeads; h++) {
      const keyHead = c.tiled ? h % keyHeads : Math.floor(h / (valueHeads / keyHeads));
      const key = unit(k, (t * keyHeads + keyHead) * keyDim, keyDim);
      const query = unit(q, (t * keyHeads + keyHead) * keyDim, keyDim).map((x) => x / Math.sqrt(keyDim));
      const s = state.subarray(h * keyDim * valueDim, (h + 1) * keyDim * valueDim);
      const at = t * valueHeads + h;
      for (let i = 0; i < s.length; i++) s[i] *= Math.exp(g[at]);
      for (let j = 0; j < valueDim; j++) {
        let known = 0;
        for (let i = 0; i < keyDim; i++) known += key[i] * s[i * valueDim + j];
        const change = beta[at] * (v[at * valueDim + j] - known);
        for (let i = 0; i < keyDim; i++) {
          s[i * valueDim + j] += key[i] * change;
          out[at * valueDim + j] += query[i] * s[i * valueDim + j];
        }
      }
    }
  }
  return out;
}

function unit(x: ArrayLike<number>, start: number, n: number): number[] {
  const row = Array.from({ length: n }, (_, i) => x[start + i]);
  const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 1e-6));
  return row.map((value) => value / length);
}
