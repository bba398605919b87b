/**
 * 4 rows × up to 4 tokens in 16-bit integers (q8_0 everywhere, all types in plain SIMD). For 8 products a broadcast
 * load, a 16-bit dot product and a 32-bit addition, and a quarter of a weight load; for a block and token 5 more to
 * scale. Registers: 4 weights, 4 sums, 4 float accumulators, 2 temporaries: 14.
 */
import { Held, X16_BLOCK, X_OFFSET, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot16 } from './matmul-dot';
import { addRows } from './matmul-rows';
import { UNPACKED_16 } from './matmul-unpack16';
import { madd } from './simd';

/** y += the panel run in `scratch` (from unpack16) × x, `blocks` blocks of each token. */
export function tile16(
  type: i32, scratch: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, rows: i32,
): void {
  for (; tokens > 0; tokens -= 4) {
    let w = scratch;
    for (let row = 0; row < rows; row += 4) {
      const at = y + (<usize>row << 2);
      const n = rows - row;
      if (type == Held.q4_k) {
        if (tokens >= 4) q4_k(w, blocks, x, xStride, at, yStride, n);
        else q4_kSome(w, blocks, x, xStride, at, yStride, n, tokens);
      } else if (type == Held.q6_k) {
        if (tokens >= 4) q6_k(w, blocks, x, xStride, at, yStride, n);
        else q6_kSome(w, blocks, x, xStride, at, yStride, n, tokens);
      } else {
        if (tokens >= 4) scaled(w, blocks, x, xStride, at, yStride, n);
        else scaledSome(w, blocks, x, xStride, at, yStride, n, tokens);
      }
      w += <usize>blocks * UNPACKED_16;
    }
    x += xStride << 2;
    y += yStride << 2;
  }
}

function scaled(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32): void {
  tile(Held.q8_0, 4, w, blocks, x, xStride, y, yStride, rows);
}

function scaledSome(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, n: i32): void {
  tile(Held.q8_0, n, w, blocks, x, xStride, y, yStride, rows);
}

function q4_k(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32): void {
  tile(Held.q4_k, 4, w, blocks, x, xStride, y, yStride, rows);
}

function q4_kSome(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, n: i32): void {
  tile(Held.q4_k, n, w, blocks, x, xStride, y, yStride, rows);
}

function q6_k(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32): void {
  tile(Held.q6_k, 4, w, blocks, x, xStride, y, yStride, rows);
}

function q6_kSome(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, n: i32): void {
  tile(Held.q6_k, n, w, blocks, x, xStride, y, yStride, rows);
}

/** Inlined with a constant type, and a constant number of tokens where all four are there. */
// @ts-ignore: decorator
@inline
function tile(
  type: i32, tokens: i32, w: usize, blocks: i32, x0: usize, xStride: usize, y: usize, yStride: usize, rows: i32,
): void {
  const x1 = x0 + xStride;
  const x2 = x1 + xStride;
  const x3 = x2 + xStride;
  let f0 = f32x4.splat(0);
  let f1 = f32x4.splat(0);
  let f2 = f32x4.splat(0);
  let f3 = f32x4.splat(0);
  const end = <usize>blocks * X16_BLOCK;
  for (let i: usize = 0; i != end; i += X16_BLOCK) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let a2 = i32x4.splat(0);
    let a3 = i32x4.splat(0);
    for (let j: usize = 0; j != 64; j += 16) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const w2 = v128.load(w, 32);
      const w3 = v128.load(w, 48);
      w += 64;
      a0 = eight(w0, w1, w2, w3, x0 + i + j, a0);
      if (tokens > 1) a1 = eight(w0, w1, w2, w3, x1 + i + j, a1);
      if (tokens > 2) a2 = eight(w0, w1, w2, w3, x2 + i + j, a2);
      if (tokens > 3) a3 = eight(w0, w1, w2, w3, x3 + i + j, a3);
      if (type == Held.q6_k && j == 16) {
        f0 = scale(Held.q8_0, w + 128, a0, x0 + i, f0);
        if (tokens > 1) f1 = scale(Held.q8_0, w + 128, a1, x1 + i, f1);
        if (tokens > 2) f2 = scale(Held.q8_0, w + 128, a2, x2 + i, f2);
        if (tokens > 3) f3 = scale(Held.q8_0, w + 128, a3, x3 + i, f3);
        a0 = i32x4.splat(0);
        a1 = i32x4.splat(0);
        a2 = i32x4.splat(0);
        a3 = i32x4.splat(0);
      }
    }
    const scales = type == Held.q6_k ? w + 16 : w;
    f0 = scale(type, scales, a0, x0 + i, f0);
    if (tokens > 1) f1 = scale(type, scales, a1, x1 + i, f1);
    if (tokens > 2) f2 = scale(type, scales, a2, x2 + i, f2);
    if (tokens > 3) f3 = scale(type, scales, a3, x3 + i, f3);
    w += 32;
  }
  addRows(y, f0, rows);
  if (tokens > 1) addRows(y + yStride, f1, rows);
  if (tokens > 2) addRows(y + 2 * yStride, f2, rows);
  if (tokens > 3) addRows(y + 3 * yStride, f3, rows);
}

/** a + eight columns of one token. */
// @ts-ignore: decorator
@inline
function eight(w0: v128, w1: v128, w2: v128, w3: v128, x: usize, a: v128): v128 {
  a = dot16(a, w0, v128.load32_splat(x));
  a = dot16(a, w1, v128.load32_splat(x, 4));
  a = dot16(a, w2, v128.load32_splat(x, 8));
  return dot16(a, w3, v128.load32_splat(x, 12));
}

/** f + the sums of a block in units; q4_k's minima behind the scales count −s·Σx times. */
// @ts-ignore: decorator
@inline
function scale(type: i32, scales: usize, sums: v128, x: usize, f: v128): v128 {
  const unit = f32x4.mul(v128.load(scales), v128.load32_splat(x, 64 + X_SCALE));
  f = madd(f32x4.convert_i32x4_s(sums), unit, f);
  if (type == Held.q4_k) f = madd(v128.load(scales, 16), v128.load32_splat(x, 64 + X_OFFSET), f);
  return f;
}
