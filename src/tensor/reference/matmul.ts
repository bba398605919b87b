/**
 * What `quantize` and `matmul` compute, in plain TypeScript: the definition that the kernels are tested against.
 * Weights come dequantised; sums are float64.
 */

/** Activations after quantisation: integers and one scale for each block of 32. */
export interface Quantized {
  values: Int8Array;
  scales: Float32Array;
}

/** Blocks of 32: scale = max |x| / 127, integers to the nearest, ties to even; below 1e-30 all is zero. */
export function quantize(x: Float32Array): Quantized {
  const values = new Int8Array(x.length);
  const scales = new Float32Array(x.length / 32);
  for (let block = 0; block < scales.length; block++) {
    const part = x.subarray(32 * block, 32 * block + 32);
    const largest = part.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    if (largest < 1e-30) continue;
    scales[block] = largest / 127;
    const inverse = Math.fround(127 / largest);
    for (let i = 0; i < 32; i++) values[32 * block + i] = roundEven(Math.fround(part[i] * inverse));
  }
  return { values, scales };
}

export function dequantize({ values, scales }: Quantized): Float64Array {
  return Float64Array.from(values, (v, i) => v * scales[i >> 5]);
}

function roundEven(v: number): number {
  const floor = Math.floor(v);
  const rest = v - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** y[t, r] = Σ_c w[r, c] · x[t, c] + bias[r]. */
export function matmul(
  w: ArrayLike<number>,
  x: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  tokens: number,
  rows: number,
  cols: number,
): Float64Array {
  const y = new Float64Array(tokens * rows);
  for (let t = 0; t < tokens; t++) {
    for (let r = 0; r < rows; r++) {
      let sum = bias ? bias[r] : 0;
      for (let c = 0; c < cols; c++) sum += w[r * cols + c] * x[t * cols + c];
      y[t * rows + r] = sum;
    }
  }
  return y;
}
