/**
 * One token × a panel of 16 rows of q8_0. The block's 32 values of x stay in registers, four columns a vector, while
 * four groups of four rows pass. For 16 products a load, three operations that widen, two 16-bit dot products and two
 * additions; for four rows 16 more to scale: about 375 instructions for the 544 bytes of a block.
 * Registers: 8 of x, 2 sums, weights, 4 temporaries: 15. Float sums live in memory for the reason given in
 * matmul-tile8.ts.
 */
import { Q8_0_BLOCK, X16_BLOCK, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot16, joinRows, lowHalf, highHalf } from './matmul-dot';
import { loadHalf } from './matmul-half';
import { madd } from './simd';

/** Writes 16 sums to `out`, which has 64 more bytes for the kernel's own use. */
export function decodeQ8_0(w: usize, x: usize, blocks: i32, out: usize): void {
  memory.fill(out, 0, 64);
  for (; blocks > 0; blocks--) {
    const a = v128.load(x);
    const b = v128.load(x, 16);
    const c = v128.load(x, 32);
    const d = v128.load(x, 48);
    const x0 = lowHalf(a);
    const x1 = highHalf(a);
    const x2 = lowHalf(b);
    const x3 = highHalf(b);
    const x4 = lowHalf(c);
    const x5 = highHalf(c);
    const x6 = lowHalf(d);
    const x7 = highHalf(d);
    const unit = v128.load32_splat(x, 64 + X_SCALE);
    v128.store(out, f32x4.mul(loadHalf(w), unit), 64);
    v128.store(out, f32x4.mul(loadHalf(w + 8), unit), 80);
    v128.store(out, f32x4.mul(loadHalf(w + 16), unit), 96);
    v128.store(out, f32x4.mul(loadHalf(w + 24), unit), 112);
    fourRows(w + 32, x0, x1, x2, x3, x4, x5, x6, x7, out);
    fourRows(w + 48, x0, x1, x2, x3, x4, x5, x6, x7, out + 16);
    fourRows(w + 64, x0, x1, x2, x3, x4, x5, x6, x7, out + 32);
    fourRows(w + 80, x0, x1, x2, x3, x4, x5, x6, x7, out + 48);
    x += X16_BLOCK;
    w += Q8_0_BLOCK;
  }
}

// @ts-ignore: decorator
@inline
function fourRows(
  q: usize,
  x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, x6: v128, x7: v128,
  out: usize,
): void {
  let v = v128.load(q);
  let a = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(v), x0);
  let b = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(v), x0);
  v = v128.load(q, 64);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x1);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x1);
  v = v128.load(q, 128);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x2);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x2);
  v = v128.load(q, 192);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x3);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x3);
  v = v128.load(q, 256);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x4);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x4);
  v = v128.load(q, 320);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x5);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x5);
  v = v128.load(q, 384);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x6);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x6);
  v = v128.load(q, 448);
  a = dot16(a, i16x8.extend_low_i8x16_s(v), x7);
  b = dot16(b, i16x8.extend_high_i8x16_s(v), x7);
  const sums = f32x4.convert_i32x4_s(joinRows(a, b));
  v128.store(out, madd(sums, v128.load(out, 64), v128.load(out)));
}
