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
  slot = 3,
  size = 4,
}

/** The integers of a storeKV record. */
export enum StoreKV {
  k = 0,
  v = 1,
  keys = 2,
  values = 3,
  type = 4,
  table = 5,
  runs = 6,
  heads = 7,
  headDim = 8,
  kStride = 9,
  vStride = 10,
  capacity = 11,
  slotBytes = 12,
  rowsPerPiece = 13,
}

/** The integers of a record of attention or attentionCombine. */
export enum Attention {
  q = 0,
  keys = 1,
  values = 2,
  out = 3,
  work = 4,
  qScale = 5,
  type = 6,
  table = 7,
  runs = 8,
  heads = 9,
  kvHeads = 10,
  headDim = 11,
  qStride = 12,
  outStride = 13,
  capacity = 14,
  slotBytes = 15,
  /** Most ranges that a row of the step has: what a row takes of `work`. */
  ranges = 16,
  /** Rows a piece that share a head of keys (attention), or rows × heads a piece (attentionCombine). */
  perPiece = 17,
}
