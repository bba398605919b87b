/**
 * 4 rows × up to 4 tokens in bytes (relaxed SIMD). The 8 weight vectors of a block stay in registers while each token
 * passes: for 16 products a broadcast load, an 8-bit dot product and a 16-bit addition; for a block and token about 6
 * more to scale. Registers: 8 weights, 4 float accumulators, the sums, 2 temporaries: 15.
 */
import {
  Held, X8_BLOCK, X_OFFSET, X_PAIRS_32A, X_PAIRS_32B, X_PAIRS_8, X_SCALE,
} from '../src/tensor/ops/layout-constants';
import { dot8, four8 } from './matmul-dot';
import { addRows } from './matmul-rows';
import { UNPACKED_8 } from './matmul-unpack8';
import { madd } from './simd';

/** y += the panel run in `scratch` (from unpack8) × x, `blocks` blocks of each token. */
export function tile8(
  type: i32, scratch: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, rows: i32,
): void {
  for (; tokens > 0; tokens -= 4) {
    let w = scratch;
    for (let row = 0; row < rows; row += 4) {
      const at = y + (<usize>row << 2);
      const n = rows - row;
      if (type == Held.q4_0) {
        if (tokens >= 4) q4_0(w, blocks, x, xStride, at, yStride, n);
        else q4_0Some(w, blocks, x, xStride, at, yStride, n, tokens);
      } else if (type == Held.q4_k) {
        if (tokens >= 4) q4_k(w, blocks, x, xStride, at, yStride, n);
        else q4_kSome(w, blocks, x, xStride, at, yStride, n, tokens);
      } else {
        if (tokens >= 4) q6_k(w, blocks, x, xStride, at, yStride, n);
        else q6_kSome(w, blocks, x, xStride, at, yStride, n, tokens);
      }
      w += <usize>blocks * UNPACKED_8;
    }
    x += xStride << 2;
    y += yStride << 2;
  }
}

function q4_0(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32): void {
  tile(Held.q4_0, 4, w, blocks, x, xStride, y, yStride, rows);
}

function q4_0Some(w: usize, blocks: i32, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, n: i32): void {
  tile(Held.q4_0, n, w, blocks, x, xStride, y, yStride, rows);
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
  const end = <usize>blocks * X8_BLOCK;
  for (let i: usize = 0; i != end; i += X8_BLOCK) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const w2 = v128.load(w, 32);
    const w3 = v128.load(w, 48);
    const w4 = v128.load(w, 64);
    const w5 = v128.load(w, 80);
    const w6 = v128.load(w, 96);
    const w7 = v128.load(w, 112);
    f0 = block(type, w, w0, w1, w2, w3, w4, w5, w6, w7, x0 + i, f0);
    if (tokens > 1) f1 = block(type, w, w0, w1, w2, w3, w4, w5, w6, w7, x1 + i, f1);
    if (tokens > 2) f2 = block(type, w, w0, w1, w2, w3, w4, w5, w6, w7, x2 + i, f2);
    if (tokens > 3) f3 = block(type, w, w0, w1, w2, w3, w4, w5, w6, w7, x3 + i, f3);
    w += UNPACKED_8;
  }
  addRows(y, f0, rows);
  if (tokens > 1) addRows(y + yStride, f1, rows);
  if (tokens > 2) addRows(y + 2 * yStride, f2, rows);
  if (tokens > 3) addRows(y + 3 * yStride, f3, rows);
}

/** f + one block × one token, scaled. */
// @ts-ignore: decorator
@inline
function block(
  type: i32, w: usize,
  w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128,
  x: usize, f: v128,
): v128 {
  if (type == Held.q6_k) {
    let a = v128.load32_splat(x, 32 + X_PAIRS_32A);
    a = dot8(a, w0, v128.load32_splat(x));
    a = dot8(a, w1, v128.load32_splat(x, 4));
    a = dot8(a, w2, v128.load32_splat(x, 8));
    a = dot8(a, w3, v128.load32_splat(x, 12));
    const half = i32x4.dot_i16x8_s(a, v128.load(w, 144));
    a = v128.load32_splat(x, 32 + X_PAIRS_32B);
    a = dot8(a, w4, v128.load32_splat(x, 16));
    a = dot8(a, w5, v128.load32_splat(x, 20));
    a = dot8(a, w6, v128.load32_splat(x, 24));
    a = dot8(a, w7, v128.load32_splat(x, 28));
    a = i32x4.add(half, i32x4.dot_i16x8_s(a, v128.load(w, 160)));
    return madd(f32x4.convert_i32x4_s(a), f32x4.mul(v128.load(w, 128), v128.load32_splat(x, 32 + X_SCALE)), f);
  }
  let a: v128;
  if (type == Held.q4_0) a = dot8(v128.load32_splat(x, 32 + X_PAIRS_8), w0, v128.load32_splat(x));
  else a = four8(w0, v128.load32_splat(x));
  a = dot8(a, w1, v128.load32_splat(x, 4));
  a = dot8(a, w2, v128.load32_splat(x, 8));
  a = dot8(a, w3, v128.load32_splat(x, 12));
  a = dot8(a, w4, v128.load32_splat(x, 16));
  a = dot8(a, w5, v128.load32_splat(x, 20));
  a = dot8(a, w6, v128.load32_splat(x, 24));
  a = dot8(a, w7, v128.load32_splat(x, 28));
  const sum = f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a));
  f = madd(sum, f32x4.mul(v128.load(w, 128), v128.load32_splat(x, 32 + X_SCALE)), f);
  if (type == Held.q4_k) f = madd(v128.load(w, 144), v128.load32_splat(x, 32 + X_OFFSET), f);
  return f;
}
