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
