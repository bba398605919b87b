/**
 * One token × a panel of 16 rows of q6_k: y += d·s·(scaleA·Σ(q−32)x + scaleB·Σ(q−32)x) for each block of 32, whose
 * halves A and B have their own scales. Everything in the brackets is an integer below 2^24, so f32 holds it exactly.
 *
 * Relaxed: for 32 products two loads, nine operations that join four and two bits, two 8-bit dot products and two
 * additions. Sums start at −32·Σx; the final ones fit 16 bits (8 columns · 32 · 127), whatever wraps between.
 * x stays in registers while four groups of four rows pass (see matmul-decode-q8_0.ts). Registers: 8 of x, 2 sums,
 * 2 masks, 2 of weights, a temporary: 15; the sums' starts and the unit come back from memory.
 *
 * Plain: the same with widened operands, four rows at a time.
 */
import {
  Q6_K_BLOCK, X16_BLOCK, X8_BLOCK, X_PAIRS_32A, X_PAIRS_32B, X_SCALE,
} from '../src/tensor/ops/layout-constants';
import {
  bytePairs, bytesS, dot16, dot8, joinRows, lane0, lane1, lane2, lane3, lowNibbles,
} from './matmul-dot';
import { loadHalf } from './matmul-half';
import { madd } from './simd';

/** Writes 16 sums to `out`, which has 64 more bytes for the kernel's own use. */
export function decodeQ6K(w: usize, x: usize, blocks: i32, out: usize): void {
  for (let i: usize = 0; i < 64; i += 16) v128.store(out + i, f32x4.splat(0));
  for (; blocks > 0; blocks--) {
    for (let i: usize = 0; i < 4; i++) v128.store(out + 64 + (i << 4), loadHalf(w + (i << 3)));
    let scales = w + 32;
    let q = w + 288;
    for (let i = 0; i < 8; i++) {
      if (ASC_FEATURE_RELAXED_SIMD) {
        bytes(q, scales, x, out);
        x += X8_BLOCK;
      } else {
        for (let g: usize = 0; g < 4; g++) words(q + (g << 4), scales + (g << 2), x, out + (g << 4));
        x += X16_BLOCK;
      }
      scales += 32;
      q += 384;
    }
    w += Q6_K_BLOCK;
  }
}

/** Low four bits of columns 4j.. and, in bits 4 and 5 of each byte of `high`, their upper two. */
// @ts-ignore: decorator
@inline
function six(low: v128, high: v128): v128 {
  return v128.or(lowNibbles(low), v128.and(high, i8x16.splat(0x30)));
}

/** A block. */
// @ts-ignore: decorator
@inline
function bytes(q: usize, scales: usize, x: usize, out: usize): void {
  const low = v128.load(x);
  const high = v128.load(x, 16);
  const starts = v128.load(x, 32 + X_PAIRS_32A);
  const unit = v128.load32_splat(x, 32 + X_SCALE);
  const x0 = lane0(low);
  const x1 = lane1(low);
  const x2 = lane2(low);
  const x3 = lane3(low);
  const x4 = lane0(high);
  const x5 = lane1(high);
  const x6 = lane2(high);
  const x7 = lane3(high);
  const a = lane0(starts);
  const b = lane1(starts);
  fourRows(q, scales, x0, x1, x2, x3, x4, x5, x6, x7, a, b, unit, out);
  fourRows(q + 16, scales + 4, x0, x1, x2, x3, x4, x5, x6, x7, a, b, unit, out + 16);
  fourRows(q + 32, scales + 8, x0, x1, x2, x3, x4, x5, x6, x7, a, b, unit, out + 32);
  fourRows(q + 48, scales + 12, x0, x1, x2, x3, x4, x5, x6, x7, a, b, unit, out + 48);
}

// @ts-ignore: decorator
@inline
function fourRows(
  q: usize, scales: usize,
  x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, x6: v128, x7: v128,
  a: v128, b: v128, unit: v128, out: usize,
): void {
  let v = v128.load(q);
  let high = v128.load(q, 256);
  a = dot8(a, six(v, i16x8.shl(high, 4)), x0);
  b = dot8(b, six(i16x8.shr_u(v, 4), i16x8.shl(high, 2)), x4);
  v = v128.load(q, 64);
  a = dot8(a, six(v, high), x1);
  b = dot8(b, six(i16x8.shr_u(v, 4), i16x8.shr_u(high, 2)), x5);
  v = v128.load(q, 128);
  high = v128.load(q, 320);
  a = dot8(a, six(v, i16x8.shl(high, 4)), x2);
  b = dot8(b, six(i16x8.shr_u(v, 4), i16x8.shl(high, 2)), x6);
  v = v128.load(q, 192);
  a = dot8(a, six(v, high), x3);
  b = dot8(b, six(i16x8.shr_u(v, 4), i16x8.shr_u(high, 2)), x7);
  const sum = i32x4.add(i32x4.dot_i16x8_s(a, bytePairs(scales)), i32x4.dot_i16x8_s(b, bytePairs(scales + 16)));
  v128.store(out, madd(f32x4.convert_i32x4_s(sum), f32x4.mul(v128.load(out, 64), unit), v128.load(out)));
}

/** Four rows of a block. */
// @ts-ignore: decorator
@inline
function words(q: usize, scales: usize, x: usize, out: usize): void {
  let a0 = i32x4.splat(0);
  let a1 = i32x4.splat(0);
  let b0 = i32x4.splat(0);
  let b1 = i32x4.splat(0);
  let h = q + 256;
  for (let xj = x, end = x + 32; xj != end; xj += 16) {
    const high = v128.load(h);
    let v = v128.load(q);
    let n = six(v, i16x8.shl(high, 4));
    let xq = v128.load64_splat(xj);
    a0 = dot16(a0, i16x8.extend_low_i8x16_u(n), xq);
    a1 = dot16(a1, i16x8.extend_high_i8x16_u(n), xq);
    n = six(i16x8.shr_u(v, 4), i16x8.shl(high, 2));
    xq = v128.load64_splat(xj, 32);
    b0 = dot16(b0, i16x8.extend_low_i8x16_u(n), xq);
    b1 = dot16(b1, i16x8.extend_high_i8x16_u(n), xq);
    v = v128.load(q, 64);
    n = six(v, high);
    xq = v128.load64_splat(xj, 8);
    a0 = dot16(a0, i16x8.extend_low_i8x16_u(n), xq);
    a1 = dot16(a1, i16x8.extend_high_i8x16_u(n), xq);
    n = six(i16x8.shr_u(v, 4), i16x8.shr_u(high, 2));
    xq = v128.load64_splat(xj, 40);
    b0 = dot16(b0, i16x8.extend_low_i8x16_u(n), xq);
    b1 = dot16(b1, i16x8.extend_high_i8x16_u(n), xq);
    q += 128;
    h += 64;
  }
  const offsetA = i32x4.extadd_pairwise_i16x8_s(v128.load32_splat(x, 64 + X_PAIRS_32A));
  const offsetB = i32x4.extadd_pairwise_i16x8_s(v128.load32_splat(x, 64 + X_PAIRS_32B));
  const sumA = i32x4.mul(i32x4.add(joinRows(a0, a1), offsetA), bytesS(scales));
  const sumB = i32x4.mul(i32x4.add(joinRows(b0, b1), offsetB), bytesS(scales + 16));
  const d = f32x4.mul(v128.load(out, 64), v128.load32_splat(x, 64 + X_SCALE));
  v128.store(out, madd(f32x4.convert_i32x4_s(i32x4.add(sumA, sumB)), d, v128.load(out)));
}
