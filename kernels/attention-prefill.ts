/**
 * Attention of a long run: arithmetic decides the time. A piece is a KV head and some rows of the run, which pass over
 * all positions that they see, range after range, page after page. In WebAssembly pages of f16 or int8 are widened once
 * for all rows. Sums are made in the order in which decoding makes them (attention-decode.ts): what a token gets does
 * not depend on the rows that are computed with it. The 8-bit cache is the exception in WebAssembly, where decoding
 * multiplies integers.
 */
import { Attention, KV_BLOCK, KV_PAGE, KV_PANEL, Kv, RANGE, Run } from '../src/tensor/ops/kv-constants';
import { X_SCALE } from '../src/tensor/ops/layout-constants';
import { hasNativeAttention, nativeQueries, nativeScores, nativeSoftmax, nativeWeighted } from './attention-native';
import { keysAt, loadRow, mergeRange, outRow, scaleRow, softmax, valuesAt } from './attention-rows';
import { paddedDepth, valuePanelBytes } from './kv';
import { widenKeys8, widenValues8 } from './kv-int8';
import { quantizeFrom } from './quantize';
import { int, ptr } from './record';
import { loadF16 } from './simd';
import { tile4 } from './tile';

/** `first`: the piece's first row in the run. */
export function prefill(op: usize, run: usize, kvHead: i32, first: i32, scratch: usize): void {
  const type = int(op, Attention.type);
  const dim = int(op, Attention.headDim);
  const depth = paddedDepth(type, dim);
  const group = int(op, Attention.heads) / int(op, Attention.kvHeads);
  const count = min(int(op, Attention.perPiece), load<i32>(run, Run.rows << 2) - first);
  const rows = count * group;
  const firstRow = load<i32>(run, Run.row << 2) + first;
  const firstPosition = load<i32>(run, Run.position << 2) + first;
  const context = firstPosition + count;

  // Scratch: arguments, queries, sums and a range's sums for each row, the range's scores, what the softmax needs of each
  // row (and once more for a range), ones, and a page's keys or values as f32.
  const native = hasNativeAttention();
  const padded = <usize>((rows + 3) & ~3);
  const sumBytes = <usize>depth << 2;
  const q = scratch + 64;
  const sums = q + padded * sumBytes;
  const own = sums + padded * sumBytes;
  const scores = own + padded * sumBytes;
  const line: usize = (RANGE << 2) + 64;
  const top = scores + padded * line;
  const total = top + (padded << 2);
  const ownTop = total + (padded << 2);
  const ownTotal = ownTop + (padded << 2);
  const correction = ownTotal + (padded << 2);
  const ones = correction + (padded << 2);
  const wide = (ones + (padded << 2) + 63) & ~63;

  for (let t = 0; t < count; t++) loadRow(op, firstRow + t, kvHead, q + <usize>(t * group) * sumBytes, sumBytes, 1);
  // As decoding rounds them, so that it matters little which of the two computes a token.
  if (type == Kv.int8 && !native) roundQueries(q, rows * (depth / KV_BLOCK), wide);
  memory.fill(q + <usize>rows * sumBytes, 0, (padded - <usize>rows) * sumBytes);
  memory.fill(scores + <usize>rows * line, 0, (padded - <usize>rows) * line);
  for (let r: usize = 0; r < padded; r++) store<f32>(ones + (r << 2), 1);
  const queries = native ? nativeQueries(type, q, rows, depth, wide) : q;
  const next = valuePanelBytes(type);

  for (let start = 0; start < context; start += RANGE) {
    const n = min(RANGE, context - start);
    const seen = firstPosition + 1 - start;
    const o = start ? own : sums;
    const peak = start ? ownTop : top;
    const weight = start ? ownTotal : total;
    for (let r: usize = 0; r < padded; r++) {
      store<f32>(peak + (r << 2), -f32.MAX_VALUE);
      store<f32>(weight + (r << 2), 0);
    }
    for (let p = 0; p < n; p += KV_PAGE) {
      const keys = keysAt(op, run, kvHead, start + p);
      const panels = (min(KV_PAGE, n - p) + KV_PANEL - 1) / KV_PANEL;
      const c = scores + (<usize>p << 2);
      if (native) nativeScores(scratch, type, queries, rows, keys, panels, dim, depth, c, line, 0);
      else wideScores(q, sumBytes, padded, wideKeys(type, keys, panels, depth, wide), panels, dim, c, line);
    }
    if (native) nativeSoftmax(scratch, scores, line, rows, n, seen, group, peak, weight, correction);
    else {
      for (let r = 0; r < rows; r++) {
        const i = <usize>r << 2;
        softmax(scores + <usize>r * line, min(n, seen + r / group), n, peak + i, weight + i, correction + i);
      }
    }
    for (let p = 0; p < n; p += KV_PAGE) {
      const values = valuesAt(op, run, kvHead, start + p);
      const k = min(KV_PAGE, n - p);
      const a = scores + (<usize>p << 2);
      const scales: usize = p ? ones : 0;
      if (native) nativeWeighted(scratch, type, a, line, rows, values, next, k, depth, o, scales, 0);
      else {
        for (let d: usize = 0; d < <usize>depth; d += KV_PANEL) {
          const panel = wideValues(type, values, <i32>d, k, wide);
          for (let r: usize = 0; r < padded; r += 4) {
            const c = o + r * sumBytes + (d << 2);
            tile4<f32>(a + r * line, line, panel, 64, k, c, sumBytes, scales);
            tile4<f32>(a + r * line, line, panel + 32, 64, k, c + 32, sumBytes, scales);
          }
        }
      }
    }
    if (start) {
      // The first rows may end before this range.
      for (let r = max(0, 1 - seen) * group; r < rows; r++) {
        const i = <usize>r << 2;
        const at = <usize>r * sumBytes;
        mergeRange(sums + at, top + i, total + i, own + at, load<f32>(ownTop + i), load<f32>(ownTotal + i), sumBytes);
      }
    }
  }

  for (let r = 0; r < rows; r++) {
    const out = outRow(op, firstRow + r / group, kvHead * group + r % group);
    scaleRow(sums + <usize>r * sumBytes, out, dim, 1 / load<f32>(total + (<usize>r << 2)));
  }
}

/** c[rows][16 · panels] = q · keys. */
function wideScores(
  q: usize, qStride: usize, rows: usize, keys: usize, panels: i32, dim: i32, c: usize, cStride: usize,
): void {
  for (let j: usize = 0; j < <usize>panels; j++) {
    const panel = keys + j * (qStride << 4);
    for (let r: usize = 0; r < rows; r += 4) {
      const to = c + r * cStride + (j << 6);
      tile4<f32>(q + r * qStride, qStride, panel, 64, dim, to, cStride, 0);
      tile4<f32>(q + r * qStride, qStride, panel + 32, 64, dim, to + 32, cStride, 0);
    }
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

/** The panel of a head's values in a page at dimension `d`, the first `n` positions, as f32. */
function wideValues(type: i32, values: usize, d: i32, n: i32, wide: usize): usize {
  if (type == Kv.int8) {
    const block = values + <usize>(d / KV_BLOCK) * valuePanelBytes(type);
    widenValues8(block, (d >> 4) & 1, n, wide);
    return wide;
  }
  const panel = values + <usize>(d / KV_PANEL) * valuePanelBytes(type);
  return type == Kv.f32 ? panel : widen(panel, wide, n * KV_PANEL);
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
