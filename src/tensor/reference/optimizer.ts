export interface AdamWSettings {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
}

/** A step of AdamW in float64 (arXiv:1711.05101, algorithm 2 without the schedule multiplier): w, m and v are updated. */
export function adamw(
  w: Float64Array,
  g: ArrayLike<number>,
  m: Float64Array,
  v: Float64Array,
  step: number,
  { lr, beta1, beta2, eps, weightDecay }: AdamWSettings,
): void {
  for (let i = 0; i < w.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2;
    const first = m[i] / (1 - beta1 ** step);
    const second = v[i] / (1 - beta2 ** step);
    w[i] -= lr * (weightDecay * w[i] + first / (Math.sqrt(second) + eps));
  }
}
