/**
 * The backward pass of attention in training. A piece owns a KV head and a range of a run's keys. It takes the queries
 * that see them in blocks, and for each block of queries the keys in blocks, everything transposed (rows are keys,
 * columns queries), so that most products read keys and values as they lie:
 *
 *   P = e^(k qᵀ − lse),   dS = P ∘ (v dOᵀ − D),   D = Σ dO ∘ out of each query,
 *   dv += P dO,   dk += dS q,   dqᵀ += kᵀ dS,
 *
 * where q carries the scale already. See FlashAttention (arXiv:2205.14135, appendix B).
 */
import { TRAIN_PANEL, TrainFloat, TrainInt } from '../src/tensor/ops/attention-train-constants';
import { scaleRow } from './attention-rows';
import {
  addRows, blockAt, count, factorOf, multiply, packColumns, packRows, padded, rowAt, runRows, runStart, transpose,
} from './attention-train-blocks';
import { int, ptr } from './record';
import { exp, madd, sum } from './simd';

/** Queries, and keys, of a block. */
const BLOCK: i32 = 64;
/** Bytes from one key's scores to the next key's. */
const LINE: usize = 256;
/** Bytes of a block of scores. */
const SCORES: usize = 64 * LINE;

/** Where the piece's things lie in its scratch, [64][headDim] each if nothing else is said; the arguments of products first. */
const LSE: usize = 64;
const D: usize = LSE + 256;
const S: usize = D + 256;
const DP: usize = S + SCORES;
/** dS again, in panels of 16 queries. */
const DS: usize = DP + SCORES;
const BLOCKS: usize = DS + SCORES;

export function attentionTrainBackward(op: usize, piece: i32, scratch: usize): void {
  const heads = count(op, TrainFloat.heads);
  const kvHeads = count(op, TrainFloat.kvHeads);
  const range = count(op, TrainFloat.range);
  const found = blockAt(op, piece / kvHeads, range);
  if (found < 0) return;
  const kvHead = piece % kvHeads;
  const run = <i32>(found >> 32);
  const from = <i32>found;
  const rows = runRows(op, run);
  const start = runStart(op, run);
  const dim = count(op, TrainFloat.headDim);
  const kvOffset = <usize>(kvHead * dim) << 2;
  for (let key = start + from; key < start + min(from + range, rows); key++) {
    memory.fill(rowAt(op, TrainInt.dk, TrainInt.dkStride, key) + kvOffset, 0, <usize>dim << 2);
    memory.fill(rowAt(op, TrainInt.dv, TrainInt.dvStride, key) + kvOffset, 0, <usize>dim << 2);
  }
  const group = heads / kvHeads;
  for (let head = kvHead * group; head < (kvHead + 1) * group; head++) {
    for (let query = from; query < rows; query += BLOCK) {
      queryBlock(op, start, from, min(from + range, rows), query, min(BLOCK, rows - query), kvHead, head, scratch);
    }
  }
}

/** `n` queries of a head from position `query` of the run × the keys from `from` up to `end` that they see. */
function queryBlock(
  op: usize, start: i32, from: i32, end: i32, query: i32, n: i32, kvHead: i32, head: i32, scratch: usize,
): void {
  const heads = count(op, TrainFloat.heads);
  const dim = count(op, TrainFloat.headDim);
  const depth = padded(dim);
  const wide = padded(n);
  const panels = wide / TRAIN_PANEL;
  const rowBytes = <usize>depth << 2;
  const blockBytes = <usize>BLOCK * rowBytes;
  const scaled = scratch + BLOCKS;
  const qColumns = scaled + blockBytes;
  const qRows = qColumns + blockBytes;
  const dOutColumns = qRows + blockBytes;
  const dOutRows = dOutColumns + blockBytes;
  // [headDim][64]
  const keysT = dOutRows + blockBytes;
  const dqT = keysT + blockBytes;
  const product = dqT + blockBytes;

  const offset = <usize>(head * dim) << 2;
  const row = start + query;
  const dOut = rowAt(op, TrainInt.dOut, TrainInt.dOutStride, row) + offset;
  const dOutStride = <usize>int(op, TrainInt.dOutStride) << 2;
  for (let i = 0; i < n; i++) {
    const at = <usize>i << 2;
    scaleRow(
      rowAt(op, TrainInt.q, TrainInt.qStride, row + i) + offset, scaled + <usize>i * rowBytes, dim, factorOf(op, row + i),
    );
    const lse = load<f32>(ptr(op, TrainInt.lse) + (<usize>((row + i) * heads + head) << 2));
    store<f32>(scratch + LSE + at, lse);
    const out = rowAt(op, TrainInt.out, TrainInt.outStride, row + i) + offset;
    store<f32>(scratch + D + at, dot(dOut + <usize>i * dOutStride, out, dim));
  }
  // Columns without a query get weights of 0.
  for (let i = n; i < wide; i++) {
    store<f32>(scratch + LSE + (<usize>i << 2), f32.MAX_VALUE);
    store<f32>(scratch + D + (<usize>i << 2), 0);
  }
  packColumns(scaled, rowBytes, n, dim, qColumns);
  packRows(scaled, rowBytes, n, dim, qRows, <usize>n << 6);
  packColumns(dOut, dOutStride, n, dim, dOutColumns);
  packRows(dOut, dOutStride, n, dim, dOutRows, <usize>n << 6);

  const kStride = <usize>int(op, TrainInt.kStride) << 2;
  const vStride = <usize>int(op, TrainInt.vStride) << 2;
  const dkStride = <usize>int(op, TrainInt.dkStride) << 2;
  const dvStride = <usize>int(op, TrainInt.dvStride) << 2;
  const kvOffset = <usize>(kvHead * dim) << 2;
  const seen = min(end, query + n);
  for (let key = from; key < seen; key += BLOCK) {
    const keys = min(BLOCK, seen - key);
    const k = rowAt(op, TrainInt.k, TrainInt.kStride, start + key) + kvOffset;
    const v = rowAt(op, TrainInt.v, TrainInt.vStride, start + key) + kvOffset;
    const dk = rowAt(op, TrainInt.dk, TrainInt.dkStride, start + key) + kvOffset;
    const dv = rowAt(op, TrainInt.dv, TrainInt.dvStride, start + key) + kvOffset;
    multiply(scratch, k, kStride, keys, qColumns, <usize>dim << 6, panels, dim, scratch + S, LINE);
    multiply(scratch, v, vStride, keys, dOutColumns, <usize>dim << 6, panels, dim, scratch + DP, LINE);
    weightsAndGradients(scratch, keys, wide, key - query);
    multiply(scratch, scratch + S, LINE, keys, dOutRows, <usize>n << 6, depth / TRAIN_PANEL, n, product, rowBytes);
    addRows(product, rowBytes, dv, dvStride, keys, dim);
    multiply(scratch, scratch + DP, LINE, keys, qRows, <usize>n << 6, depth / TRAIN_PANEL, n, product, rowBytes);
    addRows(product, rowBytes, dk, dkStride, keys, dim);
    transpose(k, kStride, keys, dim, keysT, LINE);
    const sums = key == from ? dqT : product;
    multiply(scratch, keysT, LINE, dim, scratch + DS, <usize>BLOCK << 6, panels, keys, sums, LINE);
    if (key != from) addRows(product, LINE, dqT, LINE, dim, wide);
  }

  transpose(dqT, LINE, dim, n, product, rowBytes);
  for (let i = 0; i < n; i++) {
    scaleRow(product + <usize>i * rowBytes, queryGradient(op, row + i, from) + offset, dim, factorOf(op, row + i));
  }
}

/** A row's gradient of queries from the range of keys that begins at `from`. */
function queryGradient(op: usize, row: i32, from: i32): usize {
  if (from == 0) return rowAt(op, TrainInt.dq, TrainInt.dqStride, row);
  const width = count(op, TrainFloat.heads) * count(op, TrainFloat.headDim);
  const part = from / count(op, TrainFloat.range) - 1;
  return ptr(op, TrainInt.work) + (<usize>(part * int(op, TrainInt.rows) + row) * <usize>width << 2);
}

/**
 * Turns the scores at S into weights and the gradients of weights at DP into those of scores, which go to DS too.
 * `ahead`: by how much the first key's position is larger than the first query's.
 */
function weightsAndGradients(scratch: usize, keys: i32, wide: i32, ahead: i32): void {
  let lanes = i32x4(0, 1, 2, 3);
  for (let c: usize = 0; c < <usize>wide << 2; c += 16) {
    const lse = v128.load(scratch + LSE + c);
    const mean = v128.load(scratch + D + c);
    let s = scratch + S + c;
    let panel = scratch + DS + (c >> 6) * (<usize>BLOCK << 6) + (c & 63);
    let first = i32x4.splat(ahead);
    for (let key = 0; key < keys; key++) {
      const visible = i32x4.ge_s(lanes, first);
      const weight = v128.and(exp(f32x4.sub(v128.load(s), lse)), visible);
      const gradient = f32x4.mul(weight, f32x4.sub(v128.load(s, SCORES), mean));
      v128.store(s, weight);
      v128.store(s, gradient, SCORES);
      v128.store(panel, gradient);
      first = i32x4.add(first, i32x4.splat(1));
      s += LINE;
      panel += 64;
    }
    lanes = i32x4.add(lanes, i32x4.splat(4));
  }
}

function dot(a: usize, b: usize, n: i32): f32 {
  const bytes = <usize>n << 2;
  let lanes = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) lanes = madd(v128.load(a + i), v128.load(b + i), lanes);
  let total = sum(lanes);
  for (; i < bytes; i += 4) total += load<f32>(a + i) * load<f32>(b + i);
  return total;
}

/** Adds what the ranges of keys behind the first contributed to the gradients of some rows of queries. */
export function attentionTrainSum(op: usize, piece: i32, scratch: usize): void {
  const per = count(op, TrainFloat.perPiece);
  const found = blockAt(op, piece, per);
  if (found < 0) return;
  const run = <i32>(found >> 32);
  const first = <i32>found;
  const range = count(op, TrainFloat.range);
  const width = count(op, TrainFloat.heads) * count(op, TrainFloat.headDim);
  for (let position = first; position < min(first + per, runRows(op, run)); position++) {
    const row = runStart(op, run) + position;
    const dq = queryGradient(op, row, 0);
    for (let from = range; from <= position; from += range) addRows(queryGradient(op, row, from), 0, dq, 0, 1, width);
  }
}
