/** Gradients of the references, in float64. */
import { sigmoid } from './elementwise.js';

/** silu′(x). */
export const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)));

/** Through rmsNorm: dx [rows, cols] and dw [cols]. */
export function rmsNormBackward(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  dy: ArrayLike<number>,
  eps: number,
  offset = 0,
): { dx: Float64Array; dw: Float64Array } {
  const cols = weight.length;
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(cols);
  for (let start = 0; start < x.length; start += cols) {
    let squares = 0;
    let dot = 0;
    for (let i = 0; i < cols; i++) {
      squares += x[start + i] ** 2;
      dot += dy[start + i] * (weight[i] + offset) * x[start + i];
    }
    const scale = 1 / Math.sqrt(squares / cols + eps);
    for (let i = 0; i < cols; i++) {
      dx[start + i] = scale * (dy[start + i] * (weight[i] + offset) - (x[start + i] * scale ** 2 * dot) / cols);
      dw[i] += dy[start + i] * x[start + i] * scale;
    }
  }
  return { dx, dw };
}
