/**
 * One token × a panel of 16 rows of q4_0.
 *
 * Relaxed: for 32 products a load, three operations that separate the nibbles, two 8-bit dot products and two 16-bit
 * additions. The sums start at −8·Σx, which makes Σ(q−8)x of them; that fits 16 bits however the steps between wrap.
 * Registers: 4 sums, 4 float accumulators, 2 of x, mask, 3 temporaries: 14.
 *
 * Plain: nibbles widened to 16 bits, two rows × four columns at a time as in q8_0. Registers: 8 sums, 4 float
 * accumulators, 2 of x, 2 temporaries: 16.
 */
import { Q4_0_BLOCK, X16_BLOCK, X8_BLOCK, X_PAIRS_8, X_SCALE, X_SUM } from '../src/tensor/ops/layout-constants';
import { dot16, dot8, highNibbles, joinRows, lowNibbles } from './matmul-dot';
import { loadF16, madd } from './simd';

/** Writes 16 sums to `out`. */
export function decodeQ4_0(w: usize, x: usize, blocks: i32, out: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) bytes(w, x, blocks, out);
  else words(w, x, blocks, out);
}

function bytes(w: usize, x: usize, blocks: i32, out: usize): void {
  let f0 = f32x4.splat(0);
  let f1 = f32x4.splat(0);
  let f2 = f32x4.splat(0);
  let f3 = f32x4.splat(0);
  for (; blocks > 0; blocks--) {
    const start = v128.load32_splat(x, 32 + X_PAIRS_8);
    let a0 = start;
    let a1 = start;
    let a2 = start;
    let a3 = start;
    let q = w + 32;
    for (const end = x + 16; x != end; x += 8) {
      let low = v128.load32_splat(x);
      let high = v128.load32_splat(x, 16);
      let v = v128.load(q);
      a0 = dot8(dot8(a0, lowNibbles(v), low), highNibbles(v), high);
      v = v128.load(q, 16);
      a1 = dot8(dot8(a1, lowNibbles(v), low), highNibbles(v), high);
      v = v128.load(q, 32);
      a2 = dot8(dot8(a2, lowNibbles(v), low), highNibbles(v), high);
      v = v128.load(q, 48);
      a3 = dot8(dot8(a3, lowNibbles(v), low), highNibbles(v), high);
      low = v128.load32_splat(x, 4);
      high = v128.load32_splat(x, 20);
      v = v128.load(q, 64);
      a0 = dot8(dot8(a0, lowNibbles(v), low), highNibbles(v), high);
      v = v128.load(q, 80);
      a1 = dot8(dot8(a1, lowNibbles(v), low), highNibbles(v), high);
      v = v128.load(q, 96);
      a2 = dot8(dot8(a2, lowNibbles(v), low), highNibbles(v), high);
      v = v128.load(q, 112);
      a3 = dot8(dot8(a3, lowNibbles(v), low), highNibbles(v), high);
      q += 128;
    }
    const scale = v128.load32_splat(x, 16 + X_SCALE);
    f0 = madd(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a0)), f32x4.mul(loadF16(w), scale), f0);
    f1 = madd(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a1)), f32x4.mul(loadF16(w + 8), scale), f1);
    f2 = madd(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a2)), f32x4.mul(loadF16(w + 16), scale), f2);
    f3 = madd(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a3)), f32x4.mul(loadF16(w + 24), scale), f3);
    x += X8_BLOCK - 16;
    w += Q4_0_BLOCK;
  }
  v128.store(out, f0);
  v128.store(out, f1, 16);
  v128.store(out, f2, 32);
  v128.store(out, f3, 48);
}

function words(w: usize, x: usize, blocks: i32, out: usize): void {
  for (let i: usize = 0; i < 64; i += 16) v128.store(out + i, f32x4.splat(0));
  for (; blocks > 0; blocks--) {
    const sum = v128.load32_splat(x, 64 + X_SUM);
    const scale = v128.load32_splat(x, 64 + X_SCALE);
    const offset = i32x4.shl(sum, 3);
    // Eight rows at a time: 16 would need more registers than there are.
    for (let g: usize = 0; g < 2; g++) {
      let a0 = i32x4.splat(0);
      let a1 = i32x4.splat(0);
      let a2 = i32x4.splat(0);
      let a3 = i32x4.splat(0);
      let q = w + 32 + (g << 5);
      for (let xj = x, end = x + 32; xj != end; xj += 8) {
        const low = v128.load64_splat(xj);
        const high = v128.load64_splat(xj, 32);
        let v = v128.load(q);
        let n = lowNibbles(v);
        a0 = dot16(a0, i16x8.extend_low_i8x16_u(n), low);
        a1 = dot16(a1, i16x8.extend_high_i8x16_u(n), low);
        n = highNibbles(v);
        a0 = dot16(a0, i16x8.extend_low_i8x16_u(n), high);
        a1 = dot16(a1, i16x8.extend_high_i8x16_u(n), high);
        v = v128.load(q, 16);
        n = lowNibbles(v);
        a2 = dot16(a2, i16x8.extend_low_i8x16_u(n), low);
        a3 = dot16(a3, i16x8.extend_high_i8x16_u(n), low);
        n = highNibbles(v);
        a2 = dot16(a2, i16x8.extend_low_i8x16_u(n), high);
        a3 = dot16(a3, i16x8.extend_high_i8x16_u(n), high);
        q += 64;
      }
      const o = out + (g << 5);
      const s = w + (g << 4);
      const d0 = f32x4.convert_i32x4_s(i32x4.sub(joinRows(a0, a1), offset));
      const d1 = f32x4.convert_i32x4_s(i32x4.sub(joinRows(a2, a3), offset));
      v128.store(o, madd(d0, f32x4.mul(loadF16(s), scale), v128.load(o)));
      v128.store(o, madd(d1, f32x4.mul(loadF16(s + 8), scale), v128.load(o, 16)), 16);
    }
    x += X16_BLOCK;
    w += Q4_0_BLOCK;
  }
}
