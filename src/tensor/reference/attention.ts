export interface AttentionCase {
  tokens: number;
  position: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  scale: number;
  qScale?: ArrayLike<number>;
}

/** Causal attention of q [tokens, heads, dim] over k, v [position + tokens, kvHeads, dim], in float64. */
export function attention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  c: AttentionCase,
): Float64Array {
  const { tokens, position, heads, kvHeads, headDim, scale } = c;
  const out = new Float64Array(tokens * heads * headDim);
  for (let t = 0; t < tokens; t++) {
    for (let h = 0; h < heads; h++) {
      const query = (t * heads + h) * headDim;
      const kvHead = Math.floor(h / (heads / kvHeads));
      const scores: number[] = [];
      for (let s = 0; s <= position + t; s++) {
        let dot = 0;
        for (let d = 0; d < headDim; d++) dot += q[query + d] * k[(s * kvHeads + kvHead) * headDim + d];
        scores.push(dot * scale * (c.qScale?.[t] ?? 1));
      }
      const top = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((x) => Math.exp(x - top));
      const total = weights.reduce((a, b) => a + b);
      weights.forEach((w, s) => {
        for (let d = 0; d < headDim; d++) out[query + d] += (w / total) * v[(s * kvHeads + kvHead) * headDim + d];
      });
    }
  }
  return out;
}
