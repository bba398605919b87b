/** Softmax over the experts of each token and the topK largest, in float64; the lower index wins a tie. */
export function route(
  logits: ArrayLike<number>,
  experts: number,
  topK: number,
  normalize: boolean,
): { ids: number[]; weights: number[] } {
  const ids: number[] = [];
  const weights: number[] = [];
  for (let start = 0; start < logits.length; start += experts) {
    const row = Array.from({ length: experts }, (_, e) => logits[start + e]);
    const powers = row.map((x) => Math.exp(x - Math.max(...row)));
    const chosen = row
      .map((_, e) => e)
      .sort((a, b) => row[b] - row[a] || a - b)
      .slice(0, topK);
    const total = (normalize ? chosen.map((e) => powers[e]) : powers).reduce((a, b) => a + b);
    ids.push(...chosen);
    weights.push(...chosen.map((e) => powers[e] / total));
  }
  return { ids, weights };
}

/** Gradients of Σ dWeights · scale · weights(logits), for the experts that `route` chose. */
export function routeBackward(
  logits: ArrayLike<number>,
  ids: ArrayLike<number>,
  dWeights: ArrayLike<number>,
  experts: number,
  topK: number,
  normalize: boolean,
  scale = 1,
): number[] {
  const gradients: number[] = [];
  for (let t = 0; t * experts < logits.length; t++) {
    const chosen = Array.from({ length: topK }, (_, k) => ids[t * topK + k]);
    const all = Array.from({ length: experts }, (_, e) => e);
    // Who shares the softmax.
    const among = normalize ? chosen : all;
    const top = among.reduce((max, e) => Math.max(max, logits[t * experts + e]), -Infinity);
    const powers = all.map((e) => (among.includes(e) ? Math.exp(logits[t * experts + e] - top) : 0));
    const total = powers.reduce((a, b) => a + b);
    const given = all.map((e) => (chosen.includes(e) ? scale * dWeights[t * topK + chosen.indexOf(e)] : 0));
    const mean = powers.reduce((sum, power, e) => sum + (power / total) * given[e], 0);
    gradients.push(...powers.map((power, e) => (power / total) * (given[e] - mean)));
  }
  return gradients;
}
