/** Losses over a vocabulary in float64, one row at a time. */

export function logSoftmax(x: ArrayLike<number>, temperature = 1): Float64Array {
  const scaled = Float64Array.from(x, (value) => value / temperature);
  const top = scaled.reduce((a, b) => Math.max(a, b));
  const total = scaled.reduce((sum, value) => sum + Math.exp(value - top), 0);
  return scaled.map((value) => value - top - Math.log(total));
}

/** −log softmax(logits)[target]; 0 without a target. */
export function crossEntropy(logits: ArrayLike<number>, target: number): number {
  return target < 0 ? 0 : -logSoftmax(logits)[target];
}

/** weight · (softmax − onehot); zeros without a target. */
export function crossEntropyGradient(logits: ArrayLike<number>, target: number, weight: number): Float64Array {
  if (target < 0) return new Float64Array(logits.length);
  return logSoftmax(logits).map((log, i) => weight * (Math.exp(log) - (i === target ? 1 : 0)));
}

/** T² · Σ p · ln(p / q) with p, q the softmax of teacher / T and of logits / T. */
export function klDivergence(logits: ArrayLike<number>, teacher: ArrayLike<number>, temperature: number): number {
  const q = logSoftmax(logits, temperature);
  const p = logSoftmax(teacher, temperature);
  return temperature ** 2 * p.reduce((sum, log, i) => sum + Math.exp(log) * (log - q[i]), 0);
}

/** Of weight · klDivergence with respect to the logits. */
export function klGradient(
  logits: ArrayLike<number>,
  teacher: ArrayLike<number>,
  temperature: number,
  weight: number,
): Float64Array {
  const p = logSoftmax(teacher, temperature);
  return logSoftmax(logits, temperature).map((log, i) => weight * temperature * (Math.exp(log) - Math.exp(p[i])));
}
