/**
 * One token × a panel of 16 rows of q8_0. For 8 products: a widening load, a 16-bit dot product and an addition
 * (each broadcast of four columns of x serves 16 rows), so about 250 instructions for the 544 bytes of a block.
 * Registers: 8 integer accumulators (2 rows × 2 pairs of columns each), 4 float accumulators, x, 2 temporaries: 15.
 */
import { Q8_0_BLOCK, X16_BLOCK, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot16, joinRows } from './matmul-dot';
import { loadF16, madd } from './simd';

/** Writes 16 sums to `out`. */
export function decodeQ8_0(w: usize, x: usize, blocks: i32, out: usize): void {
  let f0 = f32x4.splat(0);
  let f1 = f32x4.splat(0);
  let f2 = f32x4.splat(0);
  let f3 = f32x4.splat(0);
  for (; blocks > 0; blocks--) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let a2 = i32x4.splat(0);
    let a3 = i32x4.splat(0);
    let a4 = i32x4.splat(0);
    let a5 = i32x4.splat(0);
    let a6 = i32x4.splat(0);
    let a7 = i32x4.splat(0);
    let q = w + 32;
    for (const end = x + 64; x != end; x += 16) {
      const x0 = v128.load64_splat(x);
      a0 = dot16(a0, v128.load8x8_s(q), x0);
      a1 = dot16(a1, v128.load8x8_s(q, 8), x0);
      a2 = dot16(a2, v128.load8x8_s(q, 16), x0);
      a3 = dot16(a3, v128.load8x8_s(q, 24), x0);
      a4 = dot16(a4, v128.load8x8_s(q, 32), x0);
      a5 = dot16(a5, v128.load8x8_s(q, 40), x0);
      a6 = dot16(a6, v128.load8x8_s(q, 48), x0);
      a7 = dot16(a7, v128.load8x8_s(q, 56), x0);
      const x1 = v128.load64_splat(x, 8);
      a0 = dot16(a0, v128.load8x8_s(q, 64), x1);
      a1 = dot16(a1, v128.load8x8_s(q, 72), x1);
      a2 = dot16(a2, v128.load8x8_s(q, 80), x1);
      a3 = dot16(a3, v128.load8x8_s(q, 88), x1);
      a4 = dot16(a4, v128.load8x8_s(q, 96), x1);
      a5 = dot16(a5, v128.load8x8_s(q, 104), x1);
      a6 = dot16(a6, v128.load8x8_s(q, 112), x1);
      a7 = dot16(a7, v128.load8x8_s(q, 120), x1);
      q += 128;
    }
    const scale = v128.load32_splat(x, X_SCALE);
    f0 = madd(f32x4.convert_i32x4_s(joinRows(a0, a1)), f32x4.mul(loadF16(w), scale), f0);
    f1 = madd(f32x4.convert_i32x4_s(joinRows(a2, a3)), f32x4.mul(loadF16(w + 8), scale), f1);
    f2 = madd(f32x4.convert_i32x4_s(joinRows(a4, a5)), f32x4.mul(loadF16(w + 16), scale), f2);
    f3 = madd(f32x4.convert_i32x4_s(joinRows(a6, a7)), f32x4.mul(loadF16(w + 24), scale), f3);
    x += X16_BLOCK - 64;
    w += Q8_0_BLOCK;
  }
  v128.store(out, f0);
  v128.store(out, f1, 16);
  v128.store(out, f2, 32);
  v128.store(out, f3, 48);
}
