/** How two tables of logits differ. */

export interface Difference {
  /** Positions compared. */
  positions: number;
  /** Of next-token probabilities: the largest difference; the mean over positions of half their sum. */
  largestProbability: number;
  meanVariation: number;
  /** Share of positions whose most likely token is the same. */
  topAgreement: number;
  /** Of logits, in standard deviations of `expected`: the largest difference and the root mean square. */
  largestLogit: number;
  rmsLogit: number;
}

/** Compares [positions, vocab] logits. */
export function compareLogits(actual: Float32Array, expected: Float32Array, vocab: number): Difference {
  if (actual.length !== expected.length) throw new Error(`${actual.length} logits against ${expected.length}.`);
  const positions = expected.length / vocab;
  let [largestProbability, variation, agreeing, largest, squares] = [0, 0, 0, 0, 0];
  for (let position = 0; position < positions; position++) {
    const a = actual.subarray(position * vocab, (position + 1) * vocab);
    const b = expected.subarray(position * vocab, (position + 1) * vocab);
    const [p, q] = [softmax(a), softmax(b)];
    for (let i = 0; i < vocab; i++) {
      const difference = Math.abs(p[i] - q[i]);
      largestProbability = Math.max(largestProbability, difference);
      variation += difference / 2;
      largest = Math.max(largest, Math.abs(a[i] - b[i]));
      squares += (a[i] - b[i]) ** 2;
    }
    if (argmax(a) === argmax(b)) agreeing++;
  }
  const deviation = standardDeviation(expected);
  return {
    positions,
    largestProbability,
    meanVariation: variation / positions,
    topAgreement: agreeing / positions,
    largestLogit: largest / deviation,
    rmsLogit: Math.sqrt(squares / expected.length) / deviation,
  };
}

function softmax(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

function argmax(x: Float32Array): number {
  return x.indexOf(x.reduce((a, b) => Math.max(a, b)));
}

function standardDeviation(x: Float32Array): number {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length);
}
