/**
 * The operations a team can run. One list for both sides: this file is compiled by TypeScript into the
 * recorder that writes operations into shared memory and by AssemblyScript into the kernels that read them.
 *
 * An operation is a record of 32 words: [opcode, pieces, 22 integers, 8 floats]. Pieces are independent and
 * may run in any order on any member; what a piece computes never depends on the number of members.
 */
export const enum Op {
  copy = 1,
  embed = 2,
  quantize = 3,
  matmul = 4,
  rmsNorm = 5,
  rope = 6,
  storeKV = 7,
  attention = 8,
  swiglu = 9,
  sigmoidGate = 10,
  add = 11,
  conv = 12,
  deltaGates = 13,
  deltaRule = 14,
  gatedNorm = 15,
  route = 16,
  gather = 17,
  combine = 18,
  repack = 19,
  gatherRows = 20,
  attentionCombine = 21,
  gemm = 30,
  gemmSum = 31,
  attentionTrainPack = 36,
  attentionTrain = 37,
  attentionTrainBackward = 38,
  attentionTrainSum = 39,
  combineBackward = 40,
  routeBackward = 41,
  gatherBackward = 42,
  sumColumns = 46,
  sumSquares = 47,
  rmsNormBackward = 48,
  swigluBackward = 49,
  axpby = 50,
  embedBackward = 51,
  crossEntropy = 52,
  adamw = 53,
  klDivergence = 54,
  dropout = 55,
  addNoise = 56,
  scaleColumns = 57,
  sigmoidGateBackward = 58,
  gatedNormBackward = 59,
  convTrain = 60,
  convBackward = 61,
  deltaTrain = 62,
  deltaBackward = 63,
  deltaGatesBackward = 64,
}

/** Bytes of one record, and where its integers and floats start. */
export const OP_BYTES = 128;
export const OP_INTS = 8;
export const OP_FLOATS = 96;
/** Bytes of private scratch that each team member owns in every arena. */
export const SCRATCH_BYTES = 1 << 20;
