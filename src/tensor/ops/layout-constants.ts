/**
 * Numbers that the recorder (TypeScript) and the kernels (AssemblyScript) must agree on: how matrices and
 * quantised activations lie in memory, and the order of matmul's integers. See layout.ts for the meaning.
 */
export enum Held {
  f32 = 0,
  f16 = 1,
  bf16 = 2,
  q8_0 = 3,
  q4_0 = 4,
  q4_k = 5,
  q6_k = 6,
}

/** Rows of a panel: the lanes of a 512-bit vector, four 128-bit vectors. */
export const PANEL = 16;

/** Bytes that a panel takes for one block of 32 columns (q8_0, q4_0) or one super-block of 256 (the K types). */
export const Q8_0_BLOCK = 544;
export const Q4_0_BLOCK = 288;
export const Q4_K_BLOCK = 2368;
export const Q6_K_BLOCK = 3360;

/** Quantised activations, a block of 32 columns: the values (int8, or int16), then sums and scale at these offsets. */
export const X8_BLOCK = 64;
export const X16_BLOCK = 96;
/** f32: what one step of the integers is worth. */
export const X_SCALE = 0;
/** f32: −scale × sum of the block's integers. */
export const X_OFFSET = 4;
/** i32: sum of the block's integers (16-bit blocks), or that sum times −128 (8-bit blocks). */
export const X_SUM = 8;
export const X_SUM_128 = 8;
/** i16 pair: −8 × the sum over columns 4j, 4j+1, and over columns 4j+2, 4j+3. */
export const X_PAIRS_8 = 12;
/** i16 pairs: the same times −32, for columns 0 to 15 and for columns 16 to 31. */
export const X_PAIRS_32A = 16;
export const X_PAIRS_32B = 20;
/** i32, 8-bit blocks only: −32 × the sum over columns 0 to 15, and over columns 16 to 31. */
export const X_SUM_32A = 24;
export const X_SUM_32B = 28;

/** The integers of a matmul record. `offsets` is 0 unless the matrix is a stack of experts. */
export enum Matmul {
  weights = 0,
  x = 1,
  bias = 2,
  y = 3,
  tokens = 4,
  rows = 5,
  cols = 6,
  yStride = 7,
  accumulate = 8,
  type = 9,
  /** Panels of a piece, pieces along the rows, tokens of a piece. */
  panelsPerPiece = 10,
  rowPieces = 11,
  tokensPerPiece = 12,
  offsets = 13,
  expertStride = 14,
  experts = 15,
}
