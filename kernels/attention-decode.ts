/**
 * Attention of a short run: reading the cache decides the time, so it is read in place and once for all rows. A piece is
 * a KV head and a range of positions, whose scores are one block; keys and values pass page by page. A row's sums are the same whichever rows are computed with
 * it: positions that only later rows see enter as products with zero.
 */
import { Attention, DECODE_ROWS, KV_BLOCK, KV_PAGE, KV_PANEL, Kv, RANGE, Run } from '../src/tensor/ops/kv-constants';
import { hasNativeAttention, nativeQueries, nativeScores, nativeSoftmax, nativeWeighted } from './attention-native';
import { keysAt, loadRow, mergeRange, outRow, scaleRow, softmax, valuesAt } from './attention-rows';
import { paddedDepth, valuePanelBytes } from './kv';
import { quantizeFrom } from './quantize';
import { int, ptr } from './record';
import { F16_SCALE, product } from './tile';
import { scores8, weighted8 } from './tile-int8';

/** Rows (tokens × heads of the group) that are computed together. */
const ROWS: i32 = 32;

/** f16 panels are 2^-112 of their values. Queries take 2^64 of it, so that neither side can overflow. */
const F16_HEADROOM: f32 = 18446744073709551616.0;

/** Ranges that a row sees when it is the last of `context` positions. */
// @ts-ignore: decorator
@inline
export function rangesUpTo(context: i32): i32 {
  return (context + RANGE - 1) / RANGE;
}

/** `decoded`: rows of short runs before this run. */
export function decode(op: usize, run: usize, decoded: i32, kvHead: i32, range: i32, scratch: usize): void {
  const group = int(op, Attention.heads) / int(op, Attention.kvHeads);
  const rows = load<i32>(run, Run.rows << 2);
  const together = max(1, ROWS / group);
  // The first rows may end before this range.
  for (let t = max(0, range * RANGE - load<i32>(run, Run.position << 2)); t < rows; t += together) {
    decodeRows(op, run, decoded, kvHead, range, t, min(together, rows - t), scratch);
  }
}

function decodeRows(
  op: usize, run: usize, decoded: i32, kvHead: i32, range: i32, first: i32, count: i32, scratch: usize,
): void {
  const type = int(op, Attention.type);
  const half = type == Kv.f16;
  const dim = int(op, Attention.headDim);
  const depth = paddedDepth(type, dim);
  const group = int(op, Attention.heads) / int(op, Attention.kvHeads);
  const firstRow = load<i32>(run, Run.row << 2) + first;
  const from = range * RANGE;
  /** Positions that the first row sees of the range, and the last. */
  const seen = load<i32>(run, Run.position << 2) + first + 1 - from;
  const n = min(RANGE, seen + count - 1);
  const panels = (n + KV_PANEL - 1) / KV_PANEL;
  const rows = count * group;

  // Scratch: arguments, queries [rows, depth], sums [rows, depth], largest scores, totals, corrections, ones [rows], scores
  // [rows, line], and what the 8-bit cache needs. A line is a vector longer than the scores.
  const sumBytes = <usize>depth << 2;
  const line = <usize>(panels + 1) << 6;
  const q = scratch + 64;
  const o = q + <usize>rows * sumBytes;
  const top = o + <usize>rows * sumBytes;
  const total = top + (<usize>rows << 2);
  const correction = total + (<usize>rows << 2);
  const ones = correction + (<usize>rows << 2);
  const scores = (ones + (<usize>rows << 2) + 63) & ~63;
  const spare = scores + <usize>rows * line;

  const native = hasNativeAttention();
  const factor: f32 = half && !native ? F16_HEADROOM : 1;
  for (let t = 0; t < count; t++) {
    loadRow(op, firstRow + t, kvHead, q + <usize>(t * group) * sumBytes, sumBytes, factor);
  }
  for (let i: usize = 0; i < <usize>rows << 2; i += 4) {
    store<f32>(top + i, -f32.MAX_VALUE);
    store<f32>(total + i, 0);
    store<f32>(ones + i, 1);
  }
  let x = q;
  if (native) x = nativeQueries(type, q, rows, depth, spare);
  else if (type == Kv.int8) quantizeFrom(q, spare, 0, rows * (depth / KV_BLOCK), 16);
  for (let p = 0; p < n; p += KV_PAGE) {
    const keys = keysAt(op, run, kvHead, from + p);
    const some = min(KV_PAGE / KV_PANEL, panels - p / KV_PANEL);
    const c = scores + (<usize>p << 2);
    if (native) {
      const more = p + KV_PAGE < n;
      const ahead = more ? keysAt(op, run, kvHead, from + p + KV_PAGE) : valuesAt(op, run, kvHead, from);
      nativeScores(scratch, type, x, rows, keys, some, dim, depth, c, line, ahead);
    } else if (type == Kv.int8) scores8(spare, rows, keys, some, depth / KV_BLOCK, c, line);
    else if (half) product<u16>(q, sumBytes, rows, keys, <usize>depth << 5, some, dim, c, line, 0);
    else product<f32>(q, sumBytes, rows, keys, <usize>depth << 6, some, dim, c, line, 0);
  }
  if (native) nativeSoftmax(scratch, scores, line, rows, n, seen, group, top, total, correction);
  else {
    for (let r = 0; r < rows; r++) {
      const row = scores + <usize>r * line;
      const i = <usize>r << 2;
      if (half) scaleRow(row, row, panels * KV_PANEL, F16_SCALE / F16_HEADROOM);
      softmax(row, min(n, seen + r / group), n, top + i, total + i, correction + i);
      if (half) scaleRow(row, row, panels * KV_PANEL, F16_SCALE);
    }
  }
  const next = valuePanelBytes(type);
  for (let p = 0; p < n; p += KV_PAGE) {
    const values = valuesAt(op, run, kvHead, from + p);
    const k = min(KV_PAGE, n - p);
    const a = scores + (<usize>p << 2);
    const scales: usize = p ? ones : 0;
    if (native) {
      const ahead = p + KV_PAGE < n ? valuesAt(op, run, kvHead, from + p + KV_PAGE) : 0;
      nativeWeighted(scratch, type, a, line, rows, values, next, k, depth, o, scales, ahead);
    } else if (type == Kv.int8) weighted8(a, line, rows, values, next, depth / KV_BLOCK, k, o, sumBytes, p > 0, spare);
    else if (half) product<u16>(a, line, rows, values, next, depth / KV_PANEL, k, o, sumBytes, scales);
    else product<f32>(a, line, rows, values, next, depth / KV_PANEL, k, o, sumBytes, scales);
  }

  for (let r = 0; r < rows; r++) {
    const sums = o + <usize>r * sumBytes;
    const i = <usize>r << 2;
    const token = r / group;
    const head = kvHead * group + r % group;
    if (rangesUpTo(from + seen + token) > 1) {
      const work = workRow(op, decoded + first + token, head, range, depth);
      memory.copy(work, sums, sumBytes);
      store<f32>(work + sumBytes, load<f32>(top + i));
      store<f32>(work + sumBytes, load<f32>(total + i), 4);
    } else {
      scaleRow(sums, outRow(op, firstRow + token, head), dim, 1 / load<f32>(total + i));
    }
  }
}

/** Merges the ranges of the rows that have several. A piece is some rows × heads of short runs. */
export function attentionCombine(op: usize, piece: i32, scratch: usize): void {
  const heads = int(op, Attention.heads);
  const first = piece * int(op, Attention.perPiece);
  const last = first + int(op, Attention.perPiece);
  let run = ptr(op, Attention.table);
  let decoded = 0;
  for (let i = int(op, Attention.runs); i > 0; i--) {
    const rows = load<i32>(run, Run.rows << 2);
    if (rows <= DECODE_ROWS) {
      for (let task = max(first, decoded * heads); task < min(last, (decoded + rows) * heads); task++) {
        const token = task / heads - decoded;
        const ranges = rangesUpTo(load<i32>(run, Run.position << 2) + token + 1);
        const out = outRow(op, load<i32>(run, Run.row << 2) + token, task % heads);
        if (ranges > 1) combineRow(op, task / heads, task % heads, ranges, out);
      }
      decoded += rows;
    }
    run += Run.size << 2;
  }
}

function combineRow(op: usize, row: i32, head: i32, ranges: i32, out: usize): void {
  const dim = int(op, Attention.headDim);
  const depth = paddedDepth(int(op, Attention.type), dim);
  const bytes = <usize>depth << 2;
  const stride = bytes + 16;
  const work = workRow(op, row, head, 0, depth);
  const end = work + <usize>ranges * stride;
  // The first range's place takes in the others.
  const top = work + bytes;
  const total = top + 4;
  for (let p = work + stride; p < end; p += stride) {
    mergeRange(work, top, total, p, load<f32>(p + bytes), load<f32>(p + bytes, 4), bytes);
  }
  scaleRow(work, out, dim, 1 / load<f32>(total));
}

/** [rows of short runs][heads][ranges][depth sums, largest score, sum of weights, 2 unused]. */
// @ts-ignore: decorator
@inline
function workRow(op: usize, row: i32, head: i32, range: i32, depth: i32): usize {
  const index = (row * int(op, Attention.heads) + head) * int(op, Attention.ranges) + range;
  return ptr(op, Attention.work) + (<usize>index * <usize>(depth + 4) << 2);
}
