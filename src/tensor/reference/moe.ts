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
