/**
 * Causal attention over the KV cache with a streaming softmax: keys and values are visited in blocks of positions, so
 * nothing of size tokens × context exists. A piece is one KV head, a few query tokens and a range of positions; the query
 * heads that share the KV head are its rows and read each block together.
 * See FlashAttention (arXiv:2205.14135) for the idea, kv.ts for the cache's layout and tile.ts for the products.
 */
import { float, int, ptr } from './record';
import { exp, loadF16, sum } from './simd';
import { F16_SCALE, product, tile4 } from './tile';

/** Positions of a block when there are many queries: scores and a block of keys stay in the first cache. */
const BLOCK: i32 = 64;

/**
 * Ints: q, keys, values, out, work, qScale, f16, tokens, position, heads, kvHeads, headDim, qStride, outStride,
 * capacity, tokens a piece, ranges, positions a range. Float: scale.
 * One token is attended in `ranges` pieces a KV head; with more than one each leaves its sums for attentionCombine.
 */
export function attention(op: usize, piece: i32, scratch: usize): void {
  if (int(op, 7) == 1) decode(op, piece, scratch);
  else prefill(op, piece, scratch);
}

/** One token: the cache is read in place and once, which decides the time. The range is a single block. */
function decode(op: usize, piece: i32, scratch: usize): void {
  const half = int(op, 6);
  const dim = int(op, 11);
  const depth = (dim + 7) & ~7;
  const capacity = int(op, 14);
  const group = int(op, 9) / int(op, 10);
  const ranges = int(op, 16);
  const range = piece % ranges;
  const kvHead = piece / ranges;
  const from = range * int(op, 17);
  const n = min(int(op, 17), int(op, 8) + 1 - from);
  const panels = (n + 7) >> 3;

  // Scratch: queries [group, dim], sums [group, depth], largest scores and totals [group], scores [group, line].
  const q = scratch;
  const o = q + <usize>(group * depth << 2);
  const top = o + <usize>(group * depth << 2);
  const total = top + <usize>(group << 2);
  const correction = total + <usize>(group << 2);
  const scores = (correction + <usize>(group << 2) + 15) & ~15;
  const line = <usize>panels << 5;

  packQueries(op, q, 0, 1, kvHead * group, group, dim, half ? 18446744073709551616.0 : 1);
  const shift: usize = half ? 1 : 2;
  const keys = ptr(op, 1) + (<usize>(kvHead * capacity * depth + from * depth) << shift);
  const values = ptr(op, 2) + (<usize>(kvHead * capacity * depth + from * 8) << shift);
  const rowBytes = <usize>dim << 2;
  if (half) product<u16>(q, rowBytes, group, keys, <usize>depth << 4, panels, dim, scores, line);
  else product<f32>(q, rowBytes, group, keys, <usize>depth << 5, panels, dim, scores, line);
  for (let r: usize = 0; r < <usize>group; r++) {
    const row = scores + r * line;
    // f16 panels are 2^-112 of their values. Queries took 2^64 of it, so that neither side can overflow.
    if (half) scaleRow(row, row, panels << 3, F16_SCALE / 18446744073709551616.0);
    store<f32>(top + (r << 2), -f32.MAX_VALUE);
    store<f32>(total + (r << 2), 0);
    softmax(row, n, n, top + (r << 2), total + (r << 2), correction + (r << 2));
    if (half) scaleRow(row, row, panels << 3, F16_SCALE);
  }
  const sumBytes = <usize>depth << 2;
  if (half) product<u16>(scores, line, group, values, <usize>capacity << 4, depth >> 3, n, o, sumBytes);
  else product<f32>(scores, line, group, values, <usize>capacity << 5, depth >> 3, n, o, sumBytes);

  for (let r = 0; r < group; r++) {
    const sums = o + <usize>r * sumBytes;
    const head = kvHead * group + r;
    if (ranges > 1) {
      const work = workRow(op, head, range, ranges, depth);
      memory.copy(work, sums, sumBytes);
      store<f32>(work + sumBytes, load<f32>(top + (<usize>r << 2)));
      store<f32>(work + sumBytes, load<f32>(total + (<usize>r << 2)), 4);
    } else {
      scaleRow(sums, ptr(op, 3) + (<usize>(head * dim) << 2), dim, 1 / load<f32>(total + (<usize>r << 2)));
    }
  }
}

/** Many queries: arithmetic decides the time. Blocks of f16 are widened once for all rows. */
function prefill(op: usize, piece: i32, scratch: usize): void {
  const half = int(op, 6);
  const dim = int(op, 11);
  const depth = (dim + 7) & ~7;
  const capacity = int(op, 14);
  const group = int(op, 9) / int(op, 10);
  const kvHead = piece % int(op, 10);
  const firstToken = (piece / int(op, 10)) * int(op, 15);
  const count = min(int(op, 15), int(op, 7) - firstToken);
  const rows = count * group;
  const firstPosition = int(op, 8) + firstToken;
  const context = firstPosition + count;

  // Scratch: queries and sums for each row, one block of scores, and the block's keys or values as f32.
  const padded = <usize>((rows + 3) & ~3);
  const rowBytes = <usize>dim << 2;
  const sumBytes = <usize>depth << 2;
  const q = scratch;
  const o = q + padded * sumBytes;
  const scores = o + padded * sumBytes;
  const top = scores + padded * <usize>(BLOCK << 2);
  const total = top + (padded << 2);
  const correction = total + (padded << 2);
  const wide = (correction + (padded << 2) + 63) & ~63;

  packQueries(op, q, firstToken, count, kvHead * group, group, dim, 1);
  memory.fill(q + <usize>(rows * dim << 2), 0, (padded - <usize>rows) * rowBytes);
  memory.fill(o, 0, padded * sumBytes);
  memory.fill(total, 0, padded << 2);
  for (let r: usize = 0; r < padded; r++) {
    store<f32>(top + (r << 2), -f32.MAX_VALUE);
    store<f32>(correction + (r << 2), 0);
  }

  const shift: usize = half ? 1 : 2;
  const head = <usize>(kvHead * capacity * depth);
  for (let start = 0; start < context; start += BLOCK) {
    const n = min(BLOCK, context - start);
    const panels = (n + 7) >> 3;
    let keys = ptr(op, 1) + ((head + <usize>(start * depth)) << shift);
    if (half) keys = widen(keys, wide, panels * depth * 8);
    for (let j: usize = 0; j < <usize>panels; j++) {
      for (let r: usize = 0; r < padded; r += 4) {
        const c = scores + ((r * BLOCK + (j << 3)) << 2);
        tile4<f32>(q + r * rowBytes, rowBytes, keys + j * (sumBytes << 3), dim, c, BLOCK << 2, 0);
      }
    }
    for (let r = 0; r < rows; r++) {
      const visible = min(n, firstPosition + r / group + 1 - start);
      const i = <usize>r << 2;
      softmax(scores + i * BLOCK, visible, n, top + i, total + i, correction + i);
    }
    const values = ptr(op, 2) + ((head + <usize>(start * 8)) << shift);
    for (let d: usize = 0; d < <usize>depth; d += 8) {
      let panel = values + ((d * capacity) << shift);
      if (half) panel = widen(panel, wide, n * 8);
      for (let r: usize = 0; r < padded; r += 4) {
        tile4<f32>(scores + r * (BLOCK << 2), BLOCK << 2, panel, n, o + r * sumBytes + (d << 2), sumBytes, correction + (r << 2));
      }
    }
  }

  for (let r = 0; r < rows; r++) {
    const out = ptr(op, 3) + (<usize>((firstToken + r / group) * int(op, 13) + (kvHead * group + r % group) * dim) << 2);
    scaleRow(o + <usize>r * sumBytes, out, dim, 1 / load<f32>(total + (<usize>r << 2)));
  }
}

/** Merges the ranges of one token. Same record as attention's but for the piece: some query heads (integer 15). */
export function attentionCombine(op: usize, piece: i32, scratch: usize): void {
  const dim = int(op, 11);
  const depth = (dim + 7) & ~7;
  const ranges = int(op, 16);
  const per = int(op, 15);
  const bytes = <usize>depth << 2;
  for (let head = piece * per; head < min((piece + 1) * per, int(op, 9)); head++) {
    let top: f32 = -f32.MAX_VALUE;
    for (let i = 0; i < ranges; i++) top = max(top, load<f32>(workRow(op, head, i, ranges, depth) + bytes));
    let total: f32 = 0;
    memory.fill(scratch, 0, bytes);
    for (let i = 0; i < ranges; i++) {
      const work = workRow(op, head, i, ranges, depth);
      const factor = exp(f32x4.splat(load<f32>(work + bytes) - top));
      total += f32x4.extract_lane(factor, 0) * load<f32>(work + bytes, 4);
      for (let d: usize = 0; d < bytes; d += 16) {
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
function packQueries(op: usize, q: usize, token: i32, count: i32, head: i32, group: i32, dim: i32, factor: f32): void {
  for (let t = 0; t < count; t++) {
    const own = ptr(op, 5) ? load<f32>(ptr(op, 5) + (<usize>(token + t) << 2)) : 1;
    const src = ptr(op, 0) + (<usize>((token + t) * int(op, 12) + head * dim) << 2);
    scaleRow(src, q + <usize>(t * group * dim << 2), group * dim, float(op, 0) * own * factor);
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
 * largest score so far, zeroes the rest, and says by what the sums so far must be multiplied. The row has room for
 * whole vectors.
 */
function softmax(scores: usize, visible: i32, n: i32, top: usize, total: usize, correction: usize): void {
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
