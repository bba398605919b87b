/**
 * The forward pass of attention in training: keys and values are cut into panels once, then a piece takes the query
 * heads that share a KV head and some rows of a run past all positions that they see, in blocks, with a streaming
 * softmax. The layout of panels is that of kv.ts: keys [position / 16][headDim][16], values [headDim / 16][position][16].
 */
import { Native, ProductArgs } from '../src/tensor/native/kernels';
import { TRAIN_PANEL, TrainFloat, TrainInt } from '../src/tensor/ops/attention-train-constants';
import { Held } from '../src/tensor/ops/layout-constants';
import { hasNativeAttention, nativeSoftmax } from './attention-native';
import { scaleRow, softmax } from './attention-rows';
import {
  blockAt, count, factorOf, multiply, padded, rowAt, runRows, runStart, WORKSPACE,
} from './attention-train-blocks';
import { packColumns, packRows } from './gemm-pack';
import { callNative, setArg } from './native';
import { int, ptr } from './record';
import { tile4 } from './tile';

/** Positions of a block: scores and a block of keys stay in the first cache. */
const BLOCK: i32 = 64;
/** Larger blocks make fewer calls of machine code. */
const NATIVE_BLOCK: i32 = 256;

/** Positions of a KV head in `work`: whole panels for every run, so that each run's begin at one. */
// @ts-ignore: decorator
@inline
function positions(op: usize): i32 {
  return (int(op, TrainInt.rows) / TRAIN_PANEL + int(op, TrainInt.runs)) * TRAIN_PANEL;
}

/** A run's first position there. */
// @ts-ignore: decorator
@inline
function firstPosition(op: usize, run: i32): i32 {
  return (runStart(op, run) / TRAIN_PANEL + run) * TRAIN_PANEL;
}

/** A piece is some rows of a run, of all KV heads. */
export function attentionTrainPack(op: usize, piece: i32, scratch: usize): void {
  const per = count(op, TrainFloat.perPiece);
  const found = blockAt(op, piece, per);
  if (found < 0) return;
  const run = <i32>(found >> 32);
  const first = <i32>found;
  const rows = min(per, runRows(op, run) - first);
  const row = runStart(op, run) + first;
  const position = firstPosition(op, run) + first;
  const kvHeads = count(op, TrainFloat.kvHeads);
  const dim = count(op, TrainFloat.headDim);
  const headBytes = <usize>positions(op) * <usize>padded(dim) << 2;
  const kStride = <usize>int(op, TrainInt.kStride) << 2;
  const vStride = <usize>int(op, TrainInt.vStride) << 2;
  let keys = ptr(op, TrainInt.work);
  let values = keys + <usize>kvHeads * headBytes;
  let k = rowAt(op, TrainInt.k, TrainInt.kStride, row);
  let v = rowAt(op, TrainInt.v, TrainInt.vStride, row);
  for (let head = 0; head < kvHeads; head++) {
    const panels = keys + (<usize>position * <usize>dim << 2);
    packRows(Held.f32, k, kStride, rows, dim, panels, <usize>dim << 6, scratch);
    packColumns(Held.f32, v, vStride, rows, dim, values + (<usize>position << 6), <usize>positions(op) << 6, scratch);
    keys += headBytes;
    values += headBytes;
    k += <usize>dim << 2;
    v += <usize>dim << 2;
  }
}

/** A piece is a KV head and some rows of a run. */
export function attentionTrain(op: usize, piece: i32, scratch: usize): void {
  const heads = count(op, TrainFloat.heads);
  const kvHeads = count(op, TrainFloat.kvHeads);
  const per = count(op, TrainFloat.perPiece);
  const found = blockAt(op, piece / kvHeads, per);
  if (found < 0) return;
  const kvHead = piece % kvHeads;
  const run = <i32>(found >> 32);
  const first = <i32>found;
  const group = heads / kvHeads;
  const rows = min(per, runRows(op, run) - first) * group;
  const row = runStart(op, run) + first;
  const context = first + rows / group;
  const dim = count(op, TrainFloat.headDim);
  const depth = padded(dim);
  const native = hasNativeAttention();
  const block = native ? NATIVE_BLOCK : BLOCK;

  // Scratch: arguments; queries, sums and a block of scores for each row.
  const fours = <usize>((rows + 3) & ~3);
  const sumBytes = <usize>depth << 2;
  const line = <usize>(block << 2) + 64;
  const q = scratch + WORKSPACE;
  const o = q + fours * sumBytes;
  const scores = o + fours * sumBytes;
  const top = scores + fours * line;
  const total = top + (fours << 2);
  const correction = total + (fours << 2);
  memory.fill(o, 0, fours * sumBytes);
  // Tiles of four rows read those behind the last too.
  memory.fill(scores + <usize>rows * line, 0, (fours - <usize>rows) * line);
  memory.fill(total, 0, fours << 3);
  for (let r: usize = 0; r < fours; r++) store<f32>(top + (r << 2), -f32.MAX_VALUE);
  const headOffset = <usize>(kvHead * group * dim) << 2;
  for (let r = 0; r < rows; r++) {
    const own = row + r / group;
    const src = rowAt(op, TrainInt.q, TrainInt.qStride, own) + headOffset + (<usize>(r % group * dim) << 2);
    scaleRow(src, q + <usize>r * sumBytes, dim, factorOf(op, own));
  }

  const headBytes = <usize>positions(op) * sumBytes;
  const keys = ptr(op, TrainInt.work) + <usize>kvHead * headBytes;
  const values = keys + <usize>kvHeads * headBytes;
  const begin = firstPosition(op, run);
  const valuesNext = <usize>positions(op) << 6;
  for (let start = 0; start < context; start += block) {
    const n = min(block, context - start);
    const panels = (n + TRAIN_PANEL - 1) / TRAIN_PANEL;
    const blockKeys = keys + (<usize>(begin + start) * <usize>dim << 2);
    const blockValues = values + (<usize>(begin + start) << 6);
    multiply(scratch, false, q, sumBytes, rows, blockKeys, <usize>dim << 6, panels, dim, scores, line, false);
    const seen = first + 1 - start;
    if (native) nativeSoftmax(scratch, scores, line, rows, n, seen, group, top, total, correction);
    else {
      for (let r = 0; r < rows; r++) {
        const i = <usize>r << 2;
        softmax(scores + <usize>r * line, min(n, seen + r / group), n, top + i, total + i, correction + i);
      }
    }
    weighted(scratch, native, scores, line, rows, blockValues, valuesNext, depth, n, o, correction);
  }

  for (let r = 0; r < rows; r++) {
    const own = row + r / group;
    const i = <usize>r << 2;
    const sum = load<f32>(total + i);
    const out = rowAt(op, TrainInt.out, TrainInt.outStride, own) + headOffset + (<usize>(r % group * dim) << 2);
    scaleRow(o + <usize>r * sumBytes, out, dim, 1 / sum);
    const head = kvHead * group + r % group;
    const lse = <f64>load<f32>(top + i) + Math.log(<f64>sum);
    store<f32>(ptr(op, TrainInt.lse) + (<usize>(own * heads + head) << 2), <f32>lse);
  }
}

/** sums[rows][depth] = correction · sums + weights[rows][n] · values. */
function weighted(
  args: usize, native: bool, weights: usize, line: usize, rows: i32, values: usize, next: usize, depth: i32, n: i32,
  sums: usize, correction: usize,
): void {
  const sumBytes = <usize>depth << 2;
  if (native) {
    setArg(args, ProductArgs.a, weights);
    setArg(args, ProductArgs.aStride, line);
    setArg(args, ProductArgs.rows, rows);
    setArg(args, ProductArgs.b, values);
    setArg(args, ProductArgs.bNext, next);
    setArg(args, ProductArgs.panels, depth / TRAIN_PANEL);
    setArg(args, ProductArgs.k, n);
    setArg(args, ProductArgs.c, sums);
    setArg(args, ProductArgs.cStride, sumBytes);
    setArg(args, ProductArgs.scales, correction);
    callNative(Native.product, args);
    return;
  }
  for (let d: usize = 0; d < <usize>depth; d += TRAIN_PANEL) {
    for (let r = 0; r < rows; r += 4) {
      const c = sums + <usize>r * sumBytes + (d << 2);
      const a = weights + <usize>r * line;
      tile4<f32>(a, line, values, 64, n, c, sumBytes, correction + (<usize>r << 2));
      tile4<f32>(a, line, values + 32, 64, n, c + 32, sumBytes, correction + (<usize>r << 2));
    }
    values += next;
  }
}
