/** Gradients of the references, in float64. */
import { sigmoid, silu } from './elementwise.js';
import { rmsNorm } from './norm.js';

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

/** Through gatedNorm: dx and dGate [rows, cols], dw [cols]. */
export function gatedNormBackward(
  x: ArrayLike<number>,
  gate: ArrayLike<number>,
  weight: ArrayLike<number>,
  dy: ArrayLike<number>,
  eps: number,
): { dx: Float64Array; dGate: Float64Array; dw: Float64Array } {
  const normed = rmsNorm(x, weight, eps);
  const inner = Float64Array.from(dy, (value, i) => value * silu(gate[i]));
  const dGate = normed.map((value, i) => dy[i] * value * siluSlope(gate[i]));
  return { ...rmsNormBackward(x, weight, inner, eps), dGate };
}
