import { silu } from './elementwise.js';

/**
 * Causal depthwise convolution and SiLU of x [tokens, channels] after `history` [kernel - 1, channels], with weight
 * [channels, kernel], in float64.
 */
export function conv(
  x: ArrayLike<number>,
  history: ArrayLike<number>,
  weight: ArrayLike<number>,
  channels: number,
): Float64Array {
  const kernel = weight.length / channels;
  const all = [...Array.from(history), ...Array.from(x)];
  return new Float64Array(x.length).map((_, i) => {
    let total = 0;
    for (let j = 0; j < kernel; j++) total += weight[(i % channels) * kernel + j] * all[i + j * channels];
    return silu(total);
  });
}
