/**
 * Causal attention over the KV cache with a streaming softmax: keys and values are visited in blocks of 64 positions,
 * so nothing of size tokens × context exists. A piece is one KV head, a few query tokens and a range of positions; the
 * query heads that share the KV head are its rows and read each block together.
 * See FlashAttention (arXiv:2205.14135) for the idea and kv.ts for the cache's layout.
 */
import { float, int, ptr } from './record';
import { exp, loadF16 } from './simd';
import { tile } from './tile';

const BLOCK: i32 = 64;

/**
 * Ints: q, keys, values, out, work, qScale, f16, tokens, position, heads, kvHeads, headDim, qStride, outStride,
 * capacity, tokens a piece, ranges, positions a range. Float: scale.
 * With more than one range each piece leaves its sums in `work` for attentionCombine (ranges imply one token).
 */
export function attention(op: usize, piece: i32, scratch: usize): void {
  const half = int(op, 6);
  const dim = int(op, 11);
  const depth = (dim + 7) & ~7;
  const group = int(op, 9) / int(op, 10);
  const ranges = int(op, 16);
  const range = piece % ranges;
  const kvHead = (piece / ranges) % int(op, 10);
  const firstToken = (piece / ranges / int(op, 10)) * int(op, 15);
  const count = min(int(op, 15), int(op, 7) - firstToken);
  const rows = count * group;
  const firstPosition = int(op, 8) + firstToken;
  const from = range * int(op, 17);
  const to = min(from + int(op, 17), firstPosition + count);

  // Scratch: queries and sums for each row, one block of scores, and the block's keys and values as f32.
  const padded = <usize>((rows + 3) & ~3);
  const q = scratch;
  const o = q + padded * <usize>(depth << 2);
  const scores = o + padded * <usize>(depth << 2);
  const top = scores + padded * <usize>(BLOCK << 2);
  const total = top + (padded << 2);
  const correction = total + (padded << 2);
  const wide = correction + (padded << 2);

  packQueries(op, q, firstToken, count, kvHead * group, group, dim);
  memory.fill(q + <usize>(rows * dim << 2), 0, (padded - <usize>rows) * <usize>(dim << 2));
  memory.fill(o, 0, padded * <usize>(depth << 2));
  memory.fill(total, 0, padded << 2);
  for (let r: usize = 0; r < padded; r++) store<f32>(top + (r << 2), -f32.MAX_VALUE);

  const shift: usize = half ? 1 : 2;
  const head = <usize>(kvHead * int(op, 14) * depth);
  for (let start = from; start < to; start += BLOCK) {
    const n = min(BLOCK, to - start);
    let keys = ptr(op, 1) + ((head + <usize>(start * depth)) << shift);
    let values = ptr(op, 2) + ((head + <usize>(start * depth)) << shift);
    if (half) keys = widen(keys, wide, (n + 7 & ~7) * depth);
    for (let r: usize = 0; r < padded; r += 4) {
      for (let j = 0; j < n; j += 8) {
        tile(
          q + r * <usize>(dim << 2), <usize>dim << 2, keys + <usize>(j * depth << 2), 16, <usize>depth << 4, dim,
          scores + ((r * BLOCK + j) << 2), BLOCK << 2, 0,
        );
      }
    }
    for (let r = 0; r < rows; r++) {
      const visible = min(n, firstPosition + r / group + 1 - start);
      softmax(scores + <usize>(r * BLOCK << 2), visible, n, top + (r << 2), total + (r << 2), correction + (r << 2));
    }
    if (half) values = widen(values, wide, n * depth);
    for (let r: usize = 0; r < padded; r += 4) {
      for (let d: usize = 0; d < <usize>depth; d += 8) {
        tile(
          scores + r * (BLOCK << 2), BLOCK << 2, values + (d << 2), <usize>depth << 2, 16, n,
          o + ((r * depth + d) << 2), <usize>depth << 2, correction + (r << 2),
        );
      }
    }
  }

  for (let r = 0; r < rows; r++) {
    const sums = o + <usize>(r * depth << 2);
    const queryHead = kvHead * group + r % group;
    if (ranges > 1) {
      const work = workRow(op, queryHead, range, ranges, depth);
      memory.copy(work, sums, <usize>depth << 2);
      store<f32>(work + (<usize>depth << 2), load<f32>(top + (r << 2)));
      store<f32>(work + (<usize>depth << 2), load<f32>(total + (r << 2)), 4);
    } else {
      const out = ptr(op, 3) + (<usize>((firstToken + r / group) * int(op, 13) + queryHead * dim) << 2);
      scaleRow(sums, out, dim, 1 / load<f32>(total + (r << 2)));
    }
  }
}

/** Merges the ranges of one token. Same record as attention's; a piece is one query head. */
export function attentionCombine(op: usize, piece: i32, scratch: usize): void {
  const dim = int(op, 11);
  const depth = (dim + 7) & ~7;
  const ranges = int(op, 16);
  const heads = int(op, 9);
  const per = int(op, 15);
  for (let head = piece * per; head < min((piece + 1) * per, heads); head++) {
    let top: f32 = -f32.MAX_VALUE;
    for (let i = 0; i < ranges; i++) top = max(top, load<f32>(workRow(op, head, i, ranges, depth) + (<usize>depth << 2)));
    let total: f32 = 0;
    memory.fill(scratch, 0, <usize>depth << 2);
    for (let i = 0; i < ranges; i++) {
      const work = workRow(op, head, i, ranges, depth);
      const factor = exp(f32x4.splat(load<f32>(work + (<usize>depth << 2)) - top));
      total += f32x4.extract_lane(factor, 0) * load<f32>(work + (<usize>depth << 2), 4);
      for (let d: usize = 0; d < <usize>(depth << 2); d += 16) {
        v128.store(scratch + d, f32x4.add(v128.load(scratch + d), f32x4.mul(factor, v128.load(work + d))));
      }
    }
    scaleRow(scratch, ptr(op, 3) + (<usize>(head * dim) << 2), dim, 1 / total);
  }
}

/** [heads][ranges][depth sums, largest score, sum of weights, 2 unused]. */
// @ts-ignore: decorator
@inline
function workRow(op: usize, head: i32, range: i32, ranges: i32, depth: i32): usize {
  return ptr(op, 4) + (<usize>((head * ranges + range) * (depth + 4)) << 2);
}

/** Rows [token][head of the group], scaled. */
function packQueries(op: usize, q: usize, token: i32, count: i32, head: i32, group: i32, dim: i32): void {
  for (let t = 0; t < count; t++) {
    const factor = ptr(op, 5) ? load<f32>(ptr(op, 5) + (<usize>(token + t) << 2)) : 1;
    const src = ptr(op, 0) + (<usize>((token + t) * int(op, 12) + head * dim) << 2);
    scaleRow(src, q + <usize>(t * group * dim << 2), group * dim, float(op, 0) * factor);
  }
}

function scaleRow(src: usize, dst: usize, n: i32, factor: f32): void {
  const bytes = <usize>n << 2;
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(dst + i, f32x4.mul(v128.load(src + i), f32x4.splat(factor)));
  for (; i < bytes; i += 4) store<f32>(dst + i, load<f32>(src + i) * factor);
}

/** Converts `n` (a multiple of 8) f16 values to f32 at `dst`, which it returns. */
function widen(src: usize, dst: usize, n: i32): usize {
  const end = dst + (<usize>n << 2);
  for (let p = dst; p < end; p += 32) {
    v128.store(p, loadF16(src));
    v128.store(p, loadF16(src + 8), 16);
    src += 16;
  }
  return dst;
}

/**
 * One step of the streaming softmax: turns the first `visible` of `n` scores into weights relative to the row's
 * largest score so far, zeroes the rest, and says by what the sums so far must be multiplied.
 */
function softmax(scores: usize, visible: i32, n: i32, top: usize, total: usize, correction: usize): void {
  const before = load<f32>(top);
  if (visible <= 0) {
    memory.fill(scores, 0, <usize>n << 2);
    store<f32>(correction, 1);
    return;
  }
  const end = scores + (<usize>visible << 2);
  // Round up to whole vectors: a block has room for 64 scores.
  for (let p = end; p < scores + (BLOCK << 2) && p < end + 12; p += 4) store<f32>(p, -f32.MAX_VALUE);
  let peak = f32x4.splat(before);
  for (let p = scores; p < end; p += 16) peak = f32x4.max(peak, v128.load(p));
  peak = f32x4.max(peak, i8x16.shuffle(peak, peak, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  peak = f32x4.max(peak, i8x16.shuffle(peak, peak, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  let sums = f32x4.splat(0);
  let p = scores;
  for (; p < end; p += 16) {
    const w = exp(f32x4.sub(v128.load(p), peak));
    v128.store(p, w);
    sums = f32x4.add(sums, w);
  }
  const limit = scores + (<usize>n << 2);
  if (p < limit) memory.fill(p, 0, limit - p);
  const factor = f32x4.extract_lane(exp(f32x4.sub(f32x4.splat(before), peak)), 0);
  store<f32>(correction, factor);
  store<f32>(top, f32x4.extract_lane(peak, 0));
  const sum: f32 = f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1)
    + f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3);
  store<f32>(total, load<f32>(total) * factor + sum);
}
