import { silu } from './elementwise.js';

/** x [rows, cols] / √(mean(x²) + eps) · (weight + offset), in float64. */
export function rmsNorm(x: ArrayLike<number>, weight: ArrayLike<number>, eps: number, offset = 0): Float64Array {
  const cols = weight.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += cols) {
    let squares = 0;
    for (let i = 0; i < cols; i++) squares += x[start + i] ** 2;
    const scale = 1 / Math.sqrt(squares / cols + eps);
    for (let i = 0; i < cols; i++) y[start + i] = x[start + i] * scale * (weight[i] + offset);
  }
  return y;
}

/** rmsNorm · silu(gate). */
export function gatedNorm(
  x: ArrayLike<number>,
  gate: ArrayLike<number>,
  weight: ArrayLike<number>,
  eps: number,
): Float64Array {
  return rmsNorm(x, weight, eps).map((y, i) => y * silu(gate[i]));
}
