/**
 * Attention of a long run: arithmetic decides the time. A piece is a KV head and some rows of the run, which pass over
 * all positions that they see in blocks. Blocks of f16 or int8 are widened once for all rows.
 */
import { Attention, KV_BLOCK, KV_PANEL, Kv, Run } from '../src/tensor/ops/kv-constants';
import { Q8_0_BLOCK, X_SCALE } from '../src/tensor/ops/layout-constants';
import { hasNativeAttention, nativeQueries, nativeScores, nativeSoftmax, nativeWeighted } from './attention-native';
import { headStart, loadRow, outRow, scaleRow, softmax } from './attention-rows';
import { headBytes, paddedDepth, valueOffset } from './kv';
import { widenKeys8, widenValues8 } from './kv-int8';
import { quantizeFrom } from './quantize';
import { int, ptr } from './record';
import { loadF16 } from './simd';
import { tile4 } from './tile';

/** Positions of a block: scores and a block of keys stay in the first cache. */
const BLOCK: i32 = 64;
/** Machine code reads keys and values where they lie; larger blocks make fewer calls. */
const NATIVE_BLOCK: i32 = 256;

/** `first`: the piece's first row in the run. */
export function prefill(op: usize, run: usize, kvHead: i32, first: i32, scratch: usize): void {
  const type = int(op, Attention.type);
  const dim = int(op, Attention.headDim);
  const depth = paddedDepth(type, dim);
  const capacity = int(op, Attention.capacity);
  const group = int(op, Attention.heads) / int(op, Attention.kvHeads);
  const count = min(int(op, Attention.perPiece), load<i32>(run, Run.rows << 2) - first);
  const rows = count * group;
  const firstRow = load<i32>(run, Run.row << 2) + first;
  const firstPosition = load<i32>(run, Run.position << 2) + first;
  const context = firstPosition + count;

  const native = hasNativeAttention();
  const block = native ? NATIVE_BLOCK : BLOCK;

  // Scratch: arguments, queries and sums for each row, one block of scores, and the block's keys or values as f32.
  const padded = <usize>((rows + 3) & ~3);
  const sumBytes = <usize>depth << 2;
  const q = scratch + 64;
  const o = q + padded * sumBytes;
  const scores = o + padded * sumBytes;
  const line = <usize>(block << 2) + 64;
  const top = scores + padded * line;
  const total = top + (padded << 2);
  const correction = total + (padded << 2);
  const wide = (correction + (padded << 2) + 63) & ~63;

  for (let t = 0; t < count; t++) loadRow(op, firstRow + t, kvHead, q + <usize>(t * group) * sumBytes, sumBytes, 1);
  // As decoding rounds them, so that it matters little which of the two computes a token.
  if (type == Kv.int8 && !native) roundQueries(q, rows * (depth / KV_BLOCK), wide);
  memory.fill(q + <usize>rows * sumBytes, 0, (padded - <usize>rows) * sumBytes);
  memory.fill(o, 0, padded * sumBytes);
  memory.fill(total, 0, padded << 2);
  for (let r: usize = 0; r < padded; r++) {
    store<f32>(top + (r << 2), -f32.MAX_VALUE);
    store<f32>(correction + (r << 2), 0);
  }

  const head = headStart(op, run, kvHead);
  const firstKeys = ptr(op, Attention.keys) + head;
  const firstValues = ptr(op, Attention.values) + head;
  const queries = native ? nativeQueries(type, q, rows, depth, wide) : q;
  for (let start = 0; start < context; start += block) {
    const n = min(block, context - start);
    const panels = (n + KV_PANEL - 1) / KV_PANEL;
    const seen = firstPosition + 1 - start;
    if (native) {
      const blockKeys = firstKeys + headBytes(type, start, depth);
      const blockValues = firstValues + valueOffset(type, start);
      const next = valueOffset(type, capacity);
      nativeScores(scratch, type, queries, rows, blockKeys, panels, dim, depth, scores, line);
      nativeSoftmax(scratch, scores, line, rows, n, seen, group, top, total, correction);
      nativeWeighted(scratch, type, scores, line, rows, blockValues, next, n, depth, o, correction);
      continue;
    }
    const keys = wideKeys(type, firstKeys + headBytes(type, start, depth), panels, depth, wide);
    for (let j: usize = 0; j < <usize>panels; j++) {
      const panel = keys + j * (sumBytes << 4);
      for (let r: usize = 0; r < padded; r += 4) {
        const c = scores + r * line + (j << 6);
        tile4<f32>(q + r * sumBytes, sumBytes, panel, 64, dim, c, line, 0);
        tile4<f32>(q + r * sumBytes, sumBytes, panel + 32, 64, dim, c + 32, line, 0);
      }
    }
    for (let r = 0; r < rows; r++) {
      const i = <usize>r << 2;
      softmax(scores + <usize>r * line, min(n, seen + r / group), n, top + i, total + i, correction + i);
    }
    for (let d: usize = 0; d < <usize>depth; d += KV_PANEL) {
      const panel = wideValues(type, firstValues, <i32>d, start, n, capacity, wide);
      for (let r: usize = 0; r < padded; r += 4) {
        const c = o + r * sumBytes + (d << 2);
        const a = scores + r * line;
        tile4<f32>(a, line, panel, 64, n, c, sumBytes, correction + (r << 2));
        tile4<f32>(a, line, panel + 32, 64, n, c + 32, sumBytes, correction + (r << 2));
      }
    }
  }

  for (let r = 0; r < rows; r++) {
    const out = outRow(op, firstRow + r / group, kvHead * group + r % group);
    scaleRow(o + <usize>r * sumBytes, out, dim, 1 / load<f32>(total + (<usize>r << 2)));
  }
}

/** Blocks of 32 floats, rounded to 8 bits in place. */
function roundQueries(q: usize, blocks: i32, scratch: usize): void {
  for (; blocks > 0; blocks--) {
    quantizeFrom(q, scratch, 0, 1, 16);
    const unit = v128.load32_splat(scratch, 64 + X_SCALE);
    for (let i: usize = 0; i < 64; i += 8) {
      v128.store(q, f32x4.mul(f32x4.convert_i32x4_s(v128.load16x4_s(scratch + i)), unit));
      q += 16;
    }
  }
}

/** Panels of keys as f32: where they lie if they are, else copied to `wide`. */
function wideKeys(type: i32, keys: usize, panels: i32, depth: i32, wide: usize): usize {
  if (type == Kv.f32) return keys;
  if (type == Kv.f16) return widen(keys, wide, panels * depth * KV_PANEL);
  widenKeys8(keys, panels, depth, wide);
  return wide;
}

/** The panel of a head's values at dimension `d`, positions `start` to start + n, as f32. */
function wideValues(type: i32, values: usize, d: i32, start: i32, n: i32, capacity: i32, wide: usize): usize {
  if (type == Kv.int8) {
    const block = (d / KV_BLOCK) * (capacity / KV_PANEL) + start / KV_PANEL;
    widenValues8(values + <usize>block * Q8_0_BLOCK, (d >> 4) & 1, n, wide);
    return wide;
  }
  const first = <usize>d * <usize>capacity + <usize>(start * KV_PANEL);
  if (type == Kv.f32) return values + (first << 2);
  return widen(values + (first << 1), wide, n * KV_PANEL);
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
