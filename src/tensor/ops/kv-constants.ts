/**
 * Numbers that the recorder (TypeScript) and the kernels (AssemblyScript) must agree on for the KV cache and attention:
 * types, sizes, and the order of a record's integers. See kv.ts and attention.ts for the meaning.
 */
export enum Kv {
  f32 = 0,
  f16 = 1,
  int8 = 2,
}

/** Columns of a panel of keys (positions) or of values (dimensions). */
export const KV_PANEL = 16;

/** Positions of a page of the cache: whole panels, and a part of RANGE. */
export const KV_PAGE = 128;

/** Dimensions that share a scale in the 8-bit cache. */
export const KV_BLOCK = 32;

/** Positions that one token attends to at a time: each range leaves sums of its own, which are then merged. */
export const RANGE = 512;

/**
 * Runs of up to this many rows are computed row by row in the same order as one row alone, so that what a token gets
 * does not depend on how many were guessed with it.
 */
export const DECODE_ROWS = 16;

/** Int32 of one run in a batch's table. */
export enum Run {
  row = 0,
  rows = 1,
  position = 2,
  /** Bytes from the run to the indexes of its sequence's pages, int32. */
  pages = 3,
  size = 4,
}

/** The integers of a storeKV record. */
export enum StoreKV {
  k = 0,
  v = 1,
  pages = 2,
  type = 3,
  table = 4,
  runs = 5,
  heads = 6,
  headDim = 7,
  kStride = 8,
  vStride = 9,
  pageBytes = 10,
  rowsPerPiece = 11,
}

/** The integers of a record of attention or attentionCombine. */
export enum Attention {
  q = 0,
  pages = 1,
  out = 2,
  work = 3,
  qScale = 4,
  type = 5,
  table = 6,
  runs = 7,
  heads = 8,
  kvHeads = 9,
  headDim = 10,
  qStride = 11,
  outStride = 12,
  pageBytes = 13,
  /** Most ranges that a row of the record has: what a row takes of `work`. */
  ranges = 14,
  /** Rows a piece that share a head of keys (attention), or rows × heads a piece (attentionCombine). */
  perPiece = 15,
}
