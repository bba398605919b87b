/**
 * Causal attention of sequences packed one after the other, and its gradients. No matrix of rows × rows is ever kept:
 * the forward pass leaves each row's logarithm of the sum of e^scores, from which the backward pass computes the weights
 * again, block by block (FlashAttention, arXiv:2205.14135, 2307.08691).
 *
 * What a piece computes is fixed by shapes and runs: gradients of keys and values belong to the piece that owns the
 * keys; gradients of queries are summed over ranges of keys in order.
 */
import { KaiwenError } from '../../errors.js';
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { TRAIN_PANEL } from './attention-train-constants.js';

/** Query rows (tokens × heads that share a KV head) a piece of the forward pass. */
const QUERIES = 64;
/** Rows that a piece packs, or sums up. */
const PACKED = 64;
const SUMMED = 16;
/** Keys of a piece of the backward pass: at least this many, and a fourth of the longest run. */
const RANGE = 256;
const RANGES = 4;
/** The kernels' scratch holds blocks of heads up to this wide. */
const WIDEST = 256;

/** What decides how much memory attention needs. */
export interface TrainAttentionShape {
  heads: number;
  kvHeads: number;
  /** At most 256. */
  headDim: number;
  /** Of the batch, and at most of a run. */
  rows: number;
  maxRows: number;
  runCount: number;
}

export interface TrainAttention extends TrainAttentionShape {
  /** [rows, heads, headDim] and [rows, kvHeads, headDim], heads side by side. */
  q: number;
  k: number;
  v: number;
  /** [rows, heads, headDim]. Rows of no run stay as they are, here and in the gradients. */
  out: number;
  qStride: number;
  kStride: number;
  vStride: number;
  /** Default heads × headDim. */
  outStride?: number;
  /** Of the scores: 1/√headDim as a rule. */
  scale: number;
  /** int32 [runCount, 2] = first row, rows (0: none), read when the operation runs; ascending and apart. */
  runs: number;
  /** [rows, heads]: log Σ e^score. The forward pass writes it, the backward pass reads it. */
  lse: number;
  /** A factor for every row's scores, [rows] (LogN attention). 0: none. */
  qScale?: number;
  /** attentionForwardWork() or attentionBackwardWork() bytes that nothing else uses during the operation. */
  work: number;
}

export interface TrainAttentionBackward extends TrainAttention {
  /** As the forward pass left `out` and `lse`. */
  dOut: number;
  dOutStride?: number;
  /** Overwritten. */
  dq: number;
  dk: number;
  dv: number;
  dqStride: number;
  dkStride: number;
  dvStride: number;
}

/** Blocks of `per` rows of which no two runs share one: at most so many, wherever runs begin. */
function blocks({ rows, runCount, maxRows }: TrainAttentionShape, per: number): number {
  return Math.min(runCount * Math.ceil(maxRows / per), Math.floor((rows + runCount * (per - 1)) / per));
}

function keyRange({ maxRows }: TrainAttentionShape): number {
  return Math.max(RANGE, Math.ceil(maxRows / RANGES / 64) * 64);
}

/** Bytes that `attentionForward` needs beside its operands: keys and values in panels. */
export function attentionForwardWork({ rows, runCount, kvHeads, headDim }: TrainAttentionShape): number {
  const positions = (Math.floor(rows / TRAIN_PANEL) + runCount) * TRAIN_PANEL;
  return 2 * kvHeads * positions * Math.ceil(headDim / TRAIN_PANEL) * TRAIN_PANEL * 4;
}

/** Bytes that `attentionBackward` needs beside its operands: gradients of queries from each range of keys but the first. */
export function attentionBackwardWork(o: TrainAttentionShape): number {
  return (Math.ceil(o.maxRows / keyRange(o)) - 1) * o.rows * o.heads * o.headDim * 4;
}

/** out = softmax(scale · q kᵀ) v, each row over the rows of its run up to itself; and lse. */
export function attentionForward(p: Program, o: TrainAttention): void {
  check(o);
  const per = Math.max(1, Math.floor(QUERIES / (o.heads / o.kvHeads)));
  emit(p, Op.attentionTrainPack, blocks(o, PACKED), o, PACKED);
  emit(p, Op.attentionTrain, o.kvHeads * blocks(o, per), o, per);
}

/** dq, dk, dv of attentionForward, from dOut. */
export function attentionBackward(p: Program, o: TrainAttentionBackward): void {
  check(o);
  const range = keyRange(o);
  emit(p, Op.attentionTrainBackward, o.kvHeads * blocks(o, range), o, range);
  if (o.maxRows > range) emit(p, Op.attentionTrainSum, blocks(o, SUMMED), o, SUMMED);
}

function check({ heads, kvHeads, headDim, runCount, rows, maxRows }: TrainAttentionShape): void {
  const whole = Number.isInteger(heads / kvHeads) && heads / kvHeads <= 64;
  if (!whole || headDim > WIDEST || runCount < 1 || maxRows < 1 || maxRows > rows) {
    const shape = `${heads}/${kvHeads} heads of ${headDim}, ${runCount} runs of up to ${maxRows} in ${rows} rows`;
    throw new KaiwenError('internal', `Attention cannot be trained with ${shape}.`);
  }
}

function emit(p: Program, op: Op, pieces: number, o: TrainAttention & Partial<TrainAttentionBackward>, per: number) {
  const width = o.heads * o.headDim;
  p.emit(
    op,
    pieces,
    [
      ...[o.q, o.k, o.v, o.out, o.dOut ?? 0, o.dq ?? 0, o.dk ?? 0, o.dv ?? 0],
      ...[o.qStride, o.kStride, o.vStride, o.outStride ?? width],
      ...[o.dOutStride ?? width, o.dqStride ?? 0, o.dkStride ?? 0, o.dvStride ?? 0],
      ...[o.runs, o.runCount, o.rows, o.lse, o.qScale ?? 0, o.work],
    ],
    [o.scale, o.heads, o.kvHeads, o.headDim, per, keyRange(o)],
  );
}
