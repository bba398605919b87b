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
  f32 = 5,
  f16 = 6,
  bf16 = 7,
  packF32 = 8,
  packF16 = 9,
  packBF16 = 10,
  productHalf = 11,
  softmaxRows = 12,
  read = 13,
  weighted8 = 14,
  quantize = 15,
  swiglu = 16,
  norm = 17,
  rope = 18,
  storeKeys = 19,
  storeValues = 20,
  productTransposed = 21,
  copyF32 = 22,
  copyF16 = 23,
  copyBF16 = 24,
  scoreGradients = 25,
  swigluBackward = 26,
  normBackward = 27,
}

/** Quantised panels × quantised activations: y[t, 16 p + r] = Σ_c w[16 p + r, c] · x[t, c], or added to it. */
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
  /** Not 0: the panels are even in number and the tokens a multiple of PAIR_TOKENS, and may pass two panels at a time. */
  pairs = 9,
  /** 0: y is overwritten. */
  accumulate = 10,
}

export const PAIR_TOKENS = 2;

/**
 * c = a · b, or c = scales · c + a · b, with b in panels of 16 columns, [k][16] of f32 or of f16 (productHalf), or in
 * panels of 32 columns as the 8-bit cache keeps values (weighted8; kernels/kv-int8.ts). productTransposed reads a as
 * [k][rows], `aStride` bytes from one k to the next.
 */
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
  /** productHalf and weighted8: what will be read behind the last panel, in panels as far apart, or 0. */
  ahead = 10,
}

/** Rows of f32, f16 or bf16 × f32 vectors: y[t, r] += Σ_c w[r, c] · x[t, c]. */
export const enum RowArgs {
  weights = 0,
  /** Bytes from a row to the next: the group of rows that follows is prefetched. */
  rowBytes = 1,
  rows = 2,
  x = 3,
  xStride = 4,
  tokens = 5,
  /** A multiple of 16, at least 16. */
  columns = 6,
  y = 7,
  yStride = 8,
}

/** Sixteen rows a panel of f32, f16 or bf16 to f32 [column][16], panel after panel. */
export const enum PackArgs {
  weights = 0,
  rowBytes = 1,
  /** At least 1. */
  panels = 2,
  /** A multiple of 16, at least 16. */
  columns = 3,
  to = 4,
}

/** Rows of f32, f16 or bf16 as f32, 16 values at a time. */
export const enum CopyArgs {
  from = 0,
  stride = 1,
  /** At least 1 each; blocks of 16 values. */
  rows = 2,
  blocks = 3,
  to = 4,
  /** From a row's first block to the next row's, and from a block to the next. */
  line = 5,
  next = 6,
}

/**
 * Scores to weights, for rows that see a growing number of columns. Each row: s = scale · score;
 * m = max(top, visible s); weight = e^(s − m), 0 where nothing is visible; correction = e^(top − m); total =
 * total · correction + Σ weights; top = m. A row that sees nothing gets weights 0 and correction 1.
 */
export const enum SoftmaxArgs {
  /** f32 [rows][columns], `stride` bytes apart; become the weights. */
  scores = 0,
  stride = 1,
  rows = 2,
  /** A multiple of 16. */
  columns = 3,
  /** Signed: row r sees the first visible + ⌊r / group⌋ columns. */
  visible = 4,
  group = 5,
  /** f32 [rows] each. */
  top = 6,
  total = 7,
  correction = 8,
  /** f32, above 0. */
  scale = 9,
}

/** Columns of a block of scores in attention's backward pass. */
export const GRADIENT_QUERIES = 64;

/**
 * Scores and gradients of weights, [keys][64 queries] each, to weights e^(score − lse) and gradients of scores,
 * weight · (gradient − mean), in place.
 */
export const enum GradientArgs {
  scores = 0,
  gradients = 1,
  /** f32 [64] each. */
  lse = 2,
  mean = 3,
  /** 1 to 64. */
  keys = 4,
  /** 1: queries before a key, by their numbers in the block, do not see it (weight 0). 0: all see all. */
  diagonal = 5,
}

/** Reads memory and forgets it. */
export const enum ReadArgs {
  from = 0,
  /** A multiple of 512, at least 512. */
  bytes = 1,
}

/** f32 to blocks of 8-bit activations. */
export const enum QuantizeArgs {
  x = 0,
  to = 1,
  /** At least 1. */
  blocks = 2,
}

/** y = silu(gate) · up. */
export const enum SwigluArgs {
  gate = 0,
  gateStride = 1,
  up = 2,
  upStride = 3,
  y = 4,
  /** May be 0 where only blocks are wanted. */
  yStride = 5,
  /** At least 1. */
  rows = 6,
  /** A multiple of 16, at least 16; of 32 if blocks are wanted. */
  columns = 7,
  /** Where blocks of 8-bit activations go, row after row, or 0. */
  quantized = 8,
}

/** dGate = dy · up · silu'(gate), dUp = dy · silu(gate); they may lie where gate and up do. */
export const enum SwigluBackwardArgs {
  gate = 0,
  gateStride = 1,
  up = 2,
  upStride = 3,
  dy = 4,
  dyStride = 5,
  dGate = 6,
  dGateStride = 7,
  dUp = 8,
  dUpStride = 9,
  /** At least 1. */
  rows = 10,
  /** A multiple of 16, at least 16. */
  columns = 11,
}

/** y = x / √(mean(x²) + eps) · (weight + offset) over [rows, groups, columns]. */
export const enum NormArgs {
  x = 0,
  xStride = 1,
  xGroupStride = 2,
  /** May be x. */
  y = 3,
  /** May be 0 where only blocks are wanted. */
  yStride = 4,
  yGroupStride = 5,
  /** f32 [columns]. */
  weight = 6,
  /** At least 1 each. */
  rows = 7,
  groups = 8,
  /** A multiple of 16, at least 16. */
  columns = 9,
  /** f32 each, one behind the other. */
  eps = 10,
  offset = 11,
  /** Where blocks of 8-bit activations go, row after row, or 0; and the blocks of a row. */
  quantized = 12,
  blocks = 13,
}

/** Gradients through it, as kernels/norm-backward.ts defines them. */
export const enum NormBackwardArgs {
  x = 0,
  xStride = 1,
  xGroupStride = 2,
  dy = 3,
  dyStride = 4,
  dyGroupStride = 5,
  /** May be x or dy. */
  dx = 6,
  dxStride = 7,
  dxGroupStride = 8,
  /** f32 [columns]. */
  weight = 9,
  /** f32 [columns], added to, or 0. */
  partial = 10,
  /** At least 1 each. */
  rows = 11,
  groups = 12,
  /** A multiple of 16, at least 16. */
  columns = 13,
  /** f32 each, one behind the other. */
  eps = 14,
  offset = 15,
  /** 0: dx is overwritten. */
  accumulate = 16,
}

/** Rotates pairs (i, i + pairs) of each head, or of its RMS norm. What lies behind the pairs stays as it is (or as the norm leaves it). */
export const enum RopeArgs {
  /** f32 [tokens, pairs] each. */
  cos = 0,
  sin = 1,
  /** At least 1 each. */
  tokens = 2,
  heads = 3,
  /** Multiples of 16, at least 16. */
  headDim = 4,
  pairs = 5,
  x = 6,
  xStride = 7,
  xHeadStride = 8,
  /** May be x. */
  y = 9,
  yStride = 10,
  yHeadStride = 11,
  /** f32 [headDim], or 0: no norm. */
  weight = 12,
  /** f32 each, one behind the other. */
  eps = 13,
  offset = 14,
}

/** f32 keys of 16 positions, [16][heads][headDim], to f16 [heads][headDim][16]. */
export const enum KeyArgs {
  k = 0,
  /** From a position to the next. */
  stride = 1,
  heads = 2,
  /** A multiple of 16, at least 16. */
  headDim = 3,
  keys = 4,
  /** From a head of the cache to the next. */
  headBytes = 5,
}

/** f32 values, [rows][heads][headDim], to f16 [heads][headDim / 16][rows][16]. */
export const enum ValueArgs {
  v = 0,
  /** From a row to the next. */
  stride = 1,
  /** At least 1. */
  rows = 2,
  heads = 3,
  /** A multiple of 16, at least 16. */
  headDim = 4,
  values = 5,
  /** From a head of the cache to the next, and from 16 dimensions to the next. */
  headBytes = 6,
  panelBytes = 7,
}
