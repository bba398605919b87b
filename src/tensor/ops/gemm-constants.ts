/** The integers of a gemm record, on which the recorder (TypeScript) and the kernel (AssemblyScript) must agree. */
export enum GemmInts {
  a = 0,
  aStride = 1,
  b = 2,
  /** Elements from a row of B to the next; of quantised B: bytes from a panel to the next. */
  bStride = 3,
  c = 4,
  cStride = 5,
  m = 6,
  n = 7,
  k = 8,
  flags = 9,
  /** Held type of B. */
  type = 10,
  /** Rows and columns of C in a piece, and how many pieces lie side by side. */
  pieceRows = 11,
  pieceCols = 12,
  colPieces = 13,
  rowPieces = 14,
  /** int32 [experts + 1], or 0. */
  offsets = 15,
  experts = 16,
  /** Elements from an expert's B (experts along m) or C (along k), or from a part's C, to the next one's. */
  matrixStride = 17,
  /** Steps of k in a part: a whole product has one. */
  partDepth = 18,
}

/** The integers of the record that adds up the parts of a product. */
export enum GemmSumInts {
  /** f32 [parts][rows, cols]. */
  parts = 0,
  count = 1,
  rows = 2,
  cols = 3,
  c = 4,
  cStride = 5,
  accumulate = 6,
  rowsPerPiece = 7,
}

/** The bits of `flags`. */
export enum GemmFlags {
  transposeA = 1,
  transposeB = 2,
  accumulate = 4,
  expertsAlongK = 8,
}

/** Most columns of a piece: as many, `GEMM_DEPTH` deep, are packed in scratch at once. */
export const GEMM_COLS = 512;
/** Most steps of k that are summed before they are added to C. */
export const GEMM_DEPTH = 256;
