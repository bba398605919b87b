/**
 * Numbers that the recorder (TypeScript) and the kernels (AssemblyScript) must agree on for attention in training: the
 * order of a record's integers and floats. See attention-train.ts for the meaning.
 */
export enum TrainInt {
  q = 0,
  k = 1,
  v = 2,
  out = 3,
  dOut = 4,
  dq = 5,
  dk = 6,
  dv = 7,
  qStride = 8,
  kStride = 9,
  vStride = 10,
  outStride = 11,
  dOutStride = 12,
  dqStride = 13,
  dkStride = 14,
  dvStride = 15,
  table = 16,
  runs = 17,
  rows = 18,
  lse = 19,
  qScale = 20,
  work = 21,
}

/** A record's integers are used up: small counts stand among its floats, which hold them exactly. */
export enum TrainFloat {
  scale = 0,
  heads = 1,
  kvHeads = 2,
  headDim = 3,
  /** Rows a piece: of queries (forward), of keys (backward), of sums. */
  perPiece = 4,
  /** Keys that a piece of the backward pass owns. */
  range = 5,
}

/** Rows of a panel of keys, or of queries in the backward pass. */
export const TRAIN_PANEL = 16;
