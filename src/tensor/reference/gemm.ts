/** What `gemm` computes, in plain TypeScript: matrices as dense rows, sums in float64. */

/** Rows to columns: [rows, cols] to [cols, rows]. */
export function transpose(x: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const y = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) y[c * rows + r] = x[r * cols + c];
  return y;
}

/** [m, k] · [k, n]. */
export function gemm(a: ArrayLike<number>, b: ArrayLike<number>, m: number, n: number, k: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let s = 0; s < k; s++) {
      const value = a[i * k + s];
      for (let j = 0; j < n; j++) c[i * n + j] += value * b[s * n + j];
    }
  }
  return c;
}
