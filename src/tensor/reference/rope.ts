export interface RopeCase {
  tokens: number;
  heads: number;
  headDim: number;
  rotaryDim: number;
  interleaved: boolean;
}

/** Rotary embedding of x [tokens, heads, dim] with tables [tokens, rotaryDim / 2], in float64. */
export function rope(x: ArrayLike<number>, cos: ArrayLike<number>, sin: ArrayLike<number>, c: RopeCase): Float64Array {
  const y = Float64Array.from(x);
  const half = c.rotaryDim / 2;
  for (let t = 0; t < c.tokens; t++) {
    for (let h = 0; h < c.heads; h++) {
      const base = (t * c.heads + h) * c.headDim;
      for (let i = 0; i < half; i++) {
        const first = base + (c.interleaved ? 2 * i : i);
        const second = base + (c.interleaved ? 2 * i + 1 : i + half);
        y[first] = x[first] * cos[t * half + i] - x[second] * sin[t * half + i];
        y[second] = x[second] * cos[t * half + i] + x[first] * sin[t * half + i];
      }
    }
  }
  return y;
}
