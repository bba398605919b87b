/** How sure a result is: intervals that hold the true value in 95 of 100 runs on other items of the kind, and p-values. */

/** The quantile of the normal distribution that leaves 2.5 % on each side. */
const Z = 1.959963984540054;

export type Interval = [low: number, high: number];

/** Wilson's score interval (1927) of a proportion: sound for few items and near 0 and 1. */
export function wilson(hits: number, total: number): Interval {
  if (total === 0) return [0, 1];
  const share = hits / total;
  const square = Z ** 2 / total;
  const middle = (share + square / 2) / (1 + square);
  const half = (Z * Math.sqrt((share * (1 - share)) / total + square / (4 * total))) / (1 + square);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/**
 * Two proportions on the same items: `gained` items only the second has right, `lost` only the first. Difference
 * (second minus first) with Bonett and Price's adjusted Wald interval (2012), and McNemar's exact two-sided p.
 */
export function paired(
  gained: number,
  lost: number,
  total: number,
): { difference: number; interval: Interval; p: number } {
  if (total === 0) return { difference: 0, interval: [-1, 1], p: 1 };
  const [up, down] = [(gained + 1) / (total + 2), (lost + 1) / (total + 2)];
  const half = Z * Math.sqrt((up + down - (up - down) ** 2) / (total + 2));
  const interval: Interval = [Math.max(-1, up - down - half), Math.min(1, up - down + half)];
  return { difference: (gained - lost) / total, interval, p: binomialTwoSided(Math.min(gained, lost), gained + lost) };
}

/** Probability that of `n` fair coins as few as `k` or fewer fall to either side. */
function binomialTwoSided(k: number, n: number): number {
  let term = n * Math.log(0.5);
  let sum = 0;
  for (let i = 0; i <= k; i++) {
    sum += Math.exp(term);
    term += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, 2 * sum);
}

/**
 * A ratio of sums over items, such as bits over tokens, with its interval by the delta method; undefined with fewer
 * than two items.
 */
export function ratio(sums: readonly number[], weights: readonly number[]): { value: number; interval?: Interval } {
  const total = weights.reduce((a, b) => a + b, 0);
  const value = sums.reduce((a, b) => a + b, 0) / total;
  const n = sums.length;
  if (n < 2) return { value };
  const squares = sums.reduce((sum, one, i) => sum + (one - value * weights[i]!) ** 2, 0);
  const half = (Z * Math.sqrt((squares * n) / (n - 1))) / total;
  return { value, interval: [value - half, value + half] };
}
