/** What both ways of attention do: finding heads and rows, and one row's queries and weights. */
import { Attention } from '../src/tensor/ops/kv-constants';
import { headBytes, pageAt, paddedDepth } from './kv';
import { float, int, ptr } from './record';
import { exp, sum } from './simd';

/** The queries of a row of the step for the heads that share a KV head, scaled and padded with zeros to `stride` bytes. */
export function loadRow(op: usize, row: i32, kvHead: i32, q: usize, stride: usize, factor: f32): void {
  const group = int(op, Attention.heads) / int(op, Attention.kvHeads);
  const dim = int(op, Attention.headDim);
  const qScale = ptr(op, Attention.qScale);
  const own = qScale ? load<f32>(qScale + (<usize>row << 2)) : 1;
  let src = ptr(op, Attention.q) + (<usize>(row * int(op, Attention.qStride) + kvHead * group * dim) << 2);
  const bytes = <usize>dim << 2;
  for (let i = 0; i < group; i++) {
    scaleRow(src, q, dim, float(op, 0) * own * factor);
    if (bytes < stride) memory.fill(q + bytes, 0, stride - bytes);
    src += bytes;
    q += stride;
  }
}

/** A head's keys in the page that begins at `position` of the run's sequence. */
export function keysAt(op: usize, run: usize, kvHead: i32, position: i32): usize {
  const type = int(op, Attention.type);
  const bytes = headBytes(type, paddedDepth(type, int(op, Attention.headDim)));
  return pageAt(run, position, ptr(op, Attention.pages), ptr(op, Attention.pageBytes)) + <usize>kvHead * bytes;
}

/** A head's values in that page. */
// @ts-ignore: decorator
@inline
export function valuesAt(op: usize, run: usize, kvHead: i32, position: i32): usize {
  return keysAt(op, run, kvHead, position) + (ptr(op, Attention.pageBytes) >> 1);
}

/** Where a row's result for a query head goes. */
// @ts-ignore: decorator
@inline
export function outRow(op: usize, row: i32, head: i32): usize {
  return ptr(op, Attention.out) + (<usize>(row * int(op, Attention.outStride) + head * int(op, Attention.headDim)) << 2);
}

export function scaleRow(src: usize, dst: usize, n: i32, factor: f32): void {
  const bytes = <usize>n << 2;
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(dst + i, f32x4.mul(v128.load(src + i), f32x4.splat(factor)));
  for (; i < bytes; i += 4) store<f32>(dst + i, load<f32>(src + i) * factor);
}

/**
 * One step of the streaming softmax: turns the first `visible` of `n` scores into weights relative to the row's
 * largest score so far, zeroes the rest, and says by what the sums so far must be multiplied. The row has room for
 * whole vectors.
 */
export function softmax(scores: usize, visible: i32, n: i32, top: usize, total: usize, correction: usize): void {
  if (visible <= 0) {
    memory.fill(scores, 0, <usize>n << 2);
    store<f32>(correction, 1);
    return;
  }
  const before = load<f32>(top);
  const end = scores + (<usize>visible << 2);
  const whole = scores + (<usize>((visible + 3) & ~3) << 2);
  for (let p = end; p < whole; p += 4) store<f32>(p, -f32.MAX_VALUE);
  let peak = f32x4.splat(before);
  for (let p = scores; p < end; p += 16) peak = f32x4.pmax(peak, v128.load(p));
  peak = f32x4.pmax(peak, i8x16.shuffle(peak, peak, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  peak = f32x4.pmax(peak, i8x16.shuffle(peak, peak, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  let sums = f32x4.splat(0);
  for (let p = scores; p < end; p += 16) {
    const w = exp(f32x4.sub(v128.load(p), peak));
    v128.store(p, w);
    sums = f32x4.add(sums, w);
  }
  const limit = scores + (<usize>n << 2);
  if (whole < limit) memory.fill(whole, 0, limit - whole);
  const factor = f32x4.extract_lane(exp(f32x4.sub(f32x4.splat(before), peak)), 0);
  store<f32>(correction, factor);
  store<f32>(top, f32x4.extract_lane(peak, 0));
  store<f32>(total, load<f32>(total) * factor + sum(sums));
}

/**
 * Adds a range's sums, relative to its largest score, to those of the ranges before: both end up relative to the larger
 * of the two. Ranges are merged one after the other, in decoding as in prefill.
 */
export function mergeRange(
  sums: usize, top: usize, total: usize, ownSums: usize, ownTop: f32, ownTotal: f32, bytes: usize,
): void {
  const before = load<f32>(top);
  const peak = max(before, ownTop);
  const a = exp(f32x4.splat(before - peak));
  const b = exp(f32x4.splat(ownTop - peak));
  store<f32>(top, peak);
  store<f32>(total, f32x4.extract_lane(a, 0) * load<f32>(total) + f32x4.extract_lane(b, 0) * ownTotal);
  for (let d: usize = 0; d < bytes; d += 16) {
    v128.store(sums + d, f32x4.add(f32x4.mul(a, v128.load(sums + d)), f32x4.mul(b, v128.load(ownSums + d))));
  }
}
