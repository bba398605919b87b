/**
 * 4 rows × any number of tokens in 16-bit integers, as in matmul-tile8.ts: the 8 weight vectors of 16 columns stay in
 * registers while the tokens pass. For 8 products a broadcast, a 16-bit dot product and a 32-bit addition; for half a
 * block and a token about 10 more.
 */
import { Held, X16_BLOCK } from '../src/tensor/ops/layout-constants';
import { dot16, lane0, lane1, lane2, lane3 } from './matmul-dot';
import { UNPACKED_16 } from './matmul-unpack16';
import { madd } from './simd';

/** f[t, 0..4) += `blocks` unpacked blocks at w × those of each token. */
export function tile16(
  type: i32, w: usize, blocks: i32, x: usize, xStride: usize, f: usize, tokens: i32,
): void {
  for (; blocks > 0; blocks--) {
    const s0 = v128.load(w, 256);
    if (type == Held.q4_k) {
      const s1 = v128.load(w, 272);
      half(w, s0, x, x + 64, xStride, f, tokens);
      halfWithMinima(w + 128, s0, s1, x + 32, x + 64, xStride, f, tokens);
    } else {
      const s1 = type == Held.q6_k ? v128.load(w, 272) : s0;
      half(w, s0, x, x + 64, xStride, f, tokens);
      half(w + 128, s1, x + 32, x + 64, xStride, f, tokens);
    }
    w += UNPACKED_16;
    x += X16_BLOCK;
  }
}

// @ts-ignore: decorator
@inline
function half(
  w: usize, s0: v128, x: usize, head: usize, xStride: usize, f: usize, tokens: i32,
): void {
  columns(false, w, s0, s0, x, head, xStride, f, tokens);
}

// @ts-ignore: decorator
@inline
function halfWithMinima(
  w: usize, s0: v128, s1: v128, x: usize, head: usize, xStride: usize, f: usize, tokens: i32,
): void {
  columns(true, w, s0, s1, x, head, xStride, f, tokens);
}

/** 16 columns. */
// @ts-ignore: decorator
@inline
function columns(
  minima: bool, w: usize, s0: v128, s1: v128, x: usize, head: usize, xStride: usize,
  f: usize, tokens: i32,
): void {
  const w0 = v128.load(w);
  const w1 = v128.load(w, 16);
  const w2 = v128.load(w, 32);
  const w3 = v128.load(w, 48);
  const w4 = v128.load(w, 64);
  const w5 = v128.load(w, 80);
  const w6 = v128.load(w, 96);
  const w7 = v128.load(w, 112);
  for (let t = 0; t < tokens; t++) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    const units = v128.load(head);
    let a = i32x4.dot_i16x8_s(w0, lane0(low));
    a = dot16(a, w1, lane1(low));
    a = dot16(a, w2, lane2(low));
    a = dot16(a, w3, lane3(low));
    a = dot16(a, w4, lane0(high));
    a = dot16(a, w5, lane1(high));
    a = dot16(a, w6, lane2(high));
    a = dot16(a, w7, lane3(high));
    let sum = v128.load(f);
    if (minima) sum = madd(s1, lane1(units), sum);
    v128.store(f, madd(f32x4.convert_i32x4_s(a), f32x4.mul(s0, lane0(units)), sum));
    x += xStride;
    head += xStride;
    f += 16;
  }
}
