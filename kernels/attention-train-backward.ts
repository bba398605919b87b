/**
 * The backward pass of attention in training. A piece owns a KV head and a range of a run's keys. It takes the queries
 * that see them in blocks, and for each block of queries the keys in blocks, everything transposed (rows are keys,
 * columns queries), so that most products read keys and values as they lie:
 *
 *   P = e^(k qᵀ − lse),   dS = P ∘ (v dOᵀ − D),   D = Σ dO ∘ out of each query,
 *   dv += P dO,   dk += dS q,   dq += dSᵀ k,
 *
 * where q carries the scale already. See FlashAttention (arXiv:2205.14135, appendix B).
 */
import { GRADIENT_QUERIES, GradientArgs, Native } from '../src/tensor/native/kernels';
import { TRAIN_PANEL, TrainFloat, TrainInt } from '../src/tensor/ops/attention-train-constants';
import { Held } from '../src/tensor/ops/layout-constants';
import { scaleRow } from './attention-rows';
import {
  addRows, blockAt, count, factorOf, multiply, padded, prepare, rowAt, runRows, runStart, WORKSPACE,
} from './attention-train-blocks';
import { packColumns, packRows } from './gemm-pack';
import { callNative, hasNative, setArg } from './native';
import { int, ptr } from './record';
import { exp, madd, sum } from './simd';

/** Queries, and keys, of a block; of a part of a block in which some queries do not see some keys. */
const BLOCK: i32 = GRADIENT_QUERIES;
const STEP: i32 = 16;
/** Larger parts make fewer calls of machine code. */
const NATIVE_STEP: i32 = 32;
/** Bytes from one key's scores to the next key's. */
const LINE: usize = GRADIENT_QUERIES << 2;
/** From a panel of rows to the next: a line more than they take, since 4 KiB apart they would share a set of the cache. */
const ROWS_NEXT: usize = (GRADIENT_QUERIES << 6) + 64;
const SCORES: usize = GRADIENT_QUERIES * LINE;

/** Where a block's things lie in the scratch: two numbers of each query, then scores and their gradients, [keys][queries]. */
const LSE: usize = WORKSPACE;
const D: usize = LSE + 256;
const S: usize = D + 256;
const DS: usize = S + SCORES;
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
  prepare(scratch);
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
  const rowBytes = <usize>depth << 2;
  const blockBytes = <usize>BLOCK * rowBytes + 1024;
  const scaled = scratch + BLOCKS;
  const qColumns = scaled + blockBytes;
  const qRows = qColumns + blockBytes;
  const dOutColumns = qRows + blockBytes;
  const dOutRows = dOutColumns + blockBytes;
  const kRows = dOutRows + blockBytes;
  const dq = kRows + blockBytes;
  const spare = dq + blockBytes;

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
  for (let i = n; i < BLOCK; i++) {
    store<f32>(scratch + LSE + (<usize>i << 2), f32.MAX_VALUE);
    store<f32>(scratch + D + (<usize>i << 2), 0);
  }
  const panelBytes = (<usize>dim << 6) + 64;
  packRows(Held.f32, scaled, rowBytes, n, dim, qColumns, panelBytes, scratch);
  packColumns(Held.f32, scaled, rowBytes, n, dim, qRows, ROWS_NEXT, scratch);
  packRows(Held.f32, dOut, dOutStride, n, dim, dOutColumns, panelBytes, scratch);
  packColumns(Held.f32, dOut, dOutStride, n, dim, dOutRows, ROWS_NEXT, scratch);

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
    // On the diagonal, what no query of a part sees is left out.
    const diagonal = key == query;
    const part = hasNative(Native.product) ? NATIVE_STEP : STEP;
    const step = diagonal ? part : BLOCK;
    for (let c = 0; c < n; c += step) {
      const rows = diagonal ? min(keys, c + step) : keys;
      const panels = (min(step, n - c) + TRAIN_PANEL - 1) / TRAIN_PANEL;
      const columns = <usize>(c / TRAIN_PANEL) * panelBytes;
      const to = scratch + S + (<usize>c << 2);
      multiply(scratch, false, k, kStride, rows, qColumns + columns, panelBytes, panels, dim, to, LINE, false);
      multiply(scratch, false, v, vStride, rows, dOutColumns + columns, panelBytes, panels, dim, to + SCORES, LINE, false);
    }
    weightsAndGradients(scratch, keys, n, diagonal);
    for (let r = 0; r < keys; r += step) {
      const rows = min(step, keys - r);
      // The first query that sees one of these keys.
      const first = diagonal ? r : 0;
      const at = <usize>r * LINE + (<usize>first << 2);
      const b = <usize>first << 6;
      accumulate(scratch, scratch + S + at, rows, dOutRows + b, n - first, dim, dv + <usize>r * dvStride, dvStride, spare);
      accumulate(scratch, scratch + DS + at, rows, qRows + b, n - first, dim, dk + <usize>r * dkStride, dkStride, spare);
    }
    packColumns(Held.f32, k, kStride, keys, dim, kRows, ROWS_NEXT, scratch);
    for (let c = 0; c < n; c += step) {
      const a = scratch + DS + (<usize>c << 2);
      const depthSeen = diagonal ? min(keys, c + step) : keys;
      const to = dq + <usize>c * rowBytes;
      multiply(
        scratch, true, a, LINE, min(step, n - c), kRows, ROWS_NEXT, depth / TRAIN_PANEL, depthSeen, to, rowBytes,
        key > from,
      );
    }
  }
  for (let i = 0; i < n; i++) {
    scaleRow(dq + <usize>i * rowBytes, queryGradient(op, row + i, from) + offset, dim, factorOf(op, row + i));
  }
}

/** dst[rows][dim] += a[rows][k] · b, a in lines, b in panels of a block; `spare` where columns are not whole panels. */
function accumulate(
  scratch: usize, a: usize, rows: i32, b: usize, k: i32, dim: i32, dst: usize, stride: usize, spare: usize,
): void {
  const whole = dim % TRAIN_PANEL == 0;
  const rowBytes = <usize>padded(dim) << 2;
  multiply(
    scratch, false, a, LINE, rows, b, ROWS_NEXT, padded(dim) / TRAIN_PANEL, k,
    whole ? dst : spare, whole ? stride : rowBytes, whole,
  );
  if (!whole) addRows(spare, rowBytes, dst, stride, rows, dim);
}

/** A row's gradient of queries from the range of keys that begins at `from`. */
function queryGradient(op: usize, row: i32, from: i32): usize {
  if (from == 0) return rowAt(op, TrainInt.dq, TrainInt.dqStride, row);
  const width = count(op, TrainFloat.heads) * count(op, TrainFloat.headDim);
  const part = from / count(op, TrainFloat.range) - 1;
  return ptr(op, TrainInt.work) + (<usize>(part * int(op, TrainInt.rows) + row) * <usize>width << 2);
}

/**
 * Turns the scores at S into weights and the gradients of weights at DS into those of scores; on the diagonal, key i is
 * seen by query i and those after it.
 */
function weightsAndGradients(scratch: usize, keys: i32, queries: i32, diagonal: bool): void {
  if (hasNative(Native.scoreGradients)) {
    setArg(scratch, GradientArgs.scores, scratch + S);
    setArg(scratch, GradientArgs.gradients, scratch + DS);
    setArg(scratch, GradientArgs.lse, scratch + LSE);
    setArg(scratch, GradientArgs.mean, scratch + D);
    setArg(scratch, GradientArgs.keys, keys);
    setArg(scratch, GradientArgs.diagonal, diagonal);
    callNative(Native.scoreGradients, scratch);
    return;
  }
  for (let query = 0; query < queries; query += 4) {
    const c = <usize>query << 2;
    const lse = v128.load(scratch + LSE + c);
    const mean = v128.load(scratch + D + c);
    const lanes = i32x4.add(i32x4.splat(diagonal ? query : BLOCK), i32x4(0, 1, 2, 3));
    const seen = diagonal ? min(keys, query + 4) : keys;
    let s = scratch + S + c;
    for (let key = 0; key < seen; key++) {
      const weight = v128.and(exp(f32x4.sub(v128.load(s), lse)), i32x4.ge_s(lanes, i32x4.splat(key)));
      v128.store(s, weight);
      v128.store(s, f32x4.mul(weight, f32x4.sub(v128.load(s, SCORES), mean)), SCORES);
      s += LINE;
    }
    for (let key = seen; key < keys; key++) {
      v128.store(s, f32x4.splat(0));
      v128.store(s, f32x4.splat(0), SCORES);
      s += LINE;
    }
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
