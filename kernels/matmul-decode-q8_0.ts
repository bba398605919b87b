/**
 * One token × a panel of 16 rows of q8_0. The block's 32 values of x stay in registers, four columns a vector, while
 * four groups of four rows pass. For 8 products a load that widens, a 16-bit dot product and an addition; for four rows
 * 16 more to scale: 257 operations for the four vector units on the 544 bytes of a block, which is what limits it.
 * Registers: 8 of x, 2 sums, weights, temporaries. Float sums live in memory for the reason given in matmul-tile8.ts.
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
  let a = i32x4.dot_i16x8_s(v128.load8x8_s(q), x0);
  let b = i32x4.dot_i16x8_s(v128.load8x8_s(q, 8), x0);
  a = dot16(a, v128.load8x8_s(q, 64), x1);
  b = dot16(b, v128.load8x8_s(q, 72), x1);
  a = dot16(a, v128.load8x8_s(q, 128), x2);
  b = dot16(b, v128.load8x8_s(q, 136), x2);
  a = dot16(a, v128.load8x8_s(q, 192), x3);
  b = dot16(b, v128.load8x8_s(q, 200), x3);
  a = dot16(a, v128.load8x8_s(q, 256), x4);
  b = dot16(b, v128.load8x8_s(q, 264), x4);
  a = dot16(a, v128.load8x8_s(q, 320), x5);
  b = dot16(b, v128.load8x8_s(q, 328), x5);
  a = dot16(a, v128.load8x8_s(q, 384), x6);
  b = dot16(b, v128.load8x8_s(q, 392), x6);
  a = dot16(a, v128.load8x8_s(q, 448), x7);
  b = dot16(b, v128.load8x8_s(q, 456), x7);
  const sums = f32x4.convert_i32x4_s(joinRows(a, b));
  v128.store(out, madd(sums, v128.load(out, 64), v128.load(out)));
}
