/**
 * 4 rows × any number of tokens in bytes (relaxed SIMD). The 8 weight vectors of a block stay in registers while the
 * tokens pass one by one: for 16 products a broadcast (from a register), an 8-bit dot product and a 16-bit addition;
 * for a block and token about 14 more to load, scale and add. Registers: 8 weights, 1 to 3 scales, 4 temporaries.
 *
 * Float sums live in memory on purpose. V8 orders instructions by their distance from the end of a loop's body, which
 * puts all loads first; a store after each token keeps that token's loads behind it and everything in registers.
 */
import {
  Held, X8_BLOCK, X_PAIRS_32A,
} from '../src/tensor/ops/layout-constants';
import { dot8, four8, lane0, lane1, lane2, lane3 } from './matmul-dot';
import { UNPACKED_8 } from './matmul-unpack8';
import { madd } from './simd';

/** f[t, 0..4) += `blocks` unpacked blocks at w × those of each token. */
export function tile8(
  type: i32, w: usize, blocks: i32, x: usize, xStride: usize, f: usize, tokens: i32,
): void {
  for (; blocks > 0; blocks--) {
    if (type == Held.q4_0) q4_0(w, x, xStride, f, tokens);
    else if (type == Held.q4_k) q4_k(w, x, xStride, f, tokens);
    else q6_k(w, x, xStride, f, tokens);
    w += UNPACKED_8;
    x += X8_BLOCK;
  }
}

function q4_0(w: usize, x: usize, xStride: usize, f: usize, tokens: i32): void {
  tokensOf(Held.q4_0, w, x, xStride, f, tokens);
}

function q4_k(w: usize, x: usize, xStride: usize, f: usize, tokens: i32): void {
  tokensOf(Held.q4_k, w, x, xStride, f, tokens);
}

function q6_k(w: usize, x: usize, xStride: usize, f: usize, tokens: i32): void {
  tokensOf(Held.q6_k, w, x, xStride, f, tokens);
}

/** One block; inlined with a constant type. */
// @ts-ignore: decorator
@inline
function tokensOf(type: i32, w: usize, x: usize, xStride: usize, f: usize, tokens: i32): void {
  const w0 = v128.load(w);
  const w1 = v128.load(w, 16);
  const w2 = v128.load(w, 32);
  const w3 = v128.load(w, 48);
  const w4 = v128.load(w, 64);
  const w5 = v128.load(w, 80);
  const w6 = v128.load(w, 96);
  const w7 = v128.load(w, 112);
  const s0 = v128.load(w, 128);
  const s1 = type == Held.q4_0 ? s0 : v128.load(w, 144);
  const s2 = type == Held.q6_k ? v128.load(w, 160) : s0;
  for (let t = 0; t < tokens; t++) {
    v128.store(f, token(type, w0, w1, w2, w3, w4, w5, w6, w7, s0, s1, s2, x, v128.load(f)));
    x += xStride;
    f += 16;
  }
}

/** f + one block × one token. */
// @ts-ignore: decorator
@inline
function token(
  type: i32,
  w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128,
  s0: v128, s1: v128, s2: v128, x: usize, f: v128,
): v128 {
  const low = v128.load(x);
  const high = v128.load(x, 16);
  const head = v128.load(x, 32);
  if (type == Held.q6_k) {
    const starts = v128.load(x, 32 + X_PAIRS_32A);
    let a = dot8(lane0(starts), w0, lane0(low));
    a = dot8(a, w1, lane1(low));
    a = dot8(a, w2, lane2(low));
    a = dot8(a, w3, lane3(low));
    let b = dot8(lane1(starts), w4, lane0(high));
    b = dot8(b, w5, lane1(high));
    b = dot8(b, w6, lane2(high));
    b = dot8(b, w7, lane3(high));
    const sum = i32x4.add(i32x4.dot_i16x8_s(a, s1), i32x4.dot_i16x8_s(b, s2));
    return madd(f32x4.convert_i32x4_s(sum), f32x4.mul(s0, lane0(head)), f);
  }
  let a = type == Held.q4_0 ? dot8(lane3(head), w0, lane0(low)) : four8(w0, lane0(low));
  a = dot8(a, w1, lane1(low));
  a = dot8(a, w2, lane2(low));
  a = dot8(a, w3, lane3(low));
  a = dot8(a, w4, lane0(high));
  a = dot8(a, w5, lane1(high));
  a = dot8(a, w6, lane2(high));
  a = dot8(a, w7, lane3(high));
  if (type == Held.q4_k) f = madd(s1, lane1(head), f);
  return madd(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a)), f32x4.mul(s0, lane0(head)), f);
}
