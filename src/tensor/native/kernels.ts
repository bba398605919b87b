/**
 * The numbers of the native kernels and their arguments. One list for both sides: this file is compiled by TypeScript,
 * which generates and binds the machine code, and by AssemblyScript, which calls it.
 *
 * A kernel is called with the address of a WebAssembly memory (rdi) and the offset of its arguments there (rsi): 32-bit
 * words, pointers as offsets in the memory, strides in bytes.
 */
export const enum Native {
  q8_0 = 0,
  q4_0 = 1,
  q4_k = 2,
  q6_k = 3,
  product = 4,
}

/** Quantised panels × quantised activations: y[t, 16 p + r] += Σ_c w[16 p + r, c] · x[t, c]. */
export const enum PanelArgs {
  weights = 0,
  panels = 1,
  panelBytes = 2,
  x = 3,
  xStride = 4,
  tokens = 5,
  y = 6,
  yStride = 7,
  /** Blocks of 32 columns (q8_0, q4_0) or super-blocks of 256 (q4_k, q6_k). */
  blocks = 8,
}

/** c = a · b, or c = scales · c + a · b, with b in panels of 16 columns: f32 [k][16]. */
export const enum ProductArgs {
  a = 0,
  aStride = 1,
  rows = 2,
  b = 3,
  /** Bytes from a panel to the next. */
  bNext = 4,
  panels = 5,
  k = 6,
  c = 7,
  cStride = 8,
  /** One f32 a row, or 0: c is overwritten. */
  scales = 9,
}
