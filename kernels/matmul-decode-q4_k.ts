/**
 * One token × a panel of 16 rows of q4_k: y += d·scale·Σqx·s − dmin·minimum·Σx·s for each sub-block of 32.
 * The minima of a super-block are summed first, on their own (24 instructions for 16 rows of a sub-block); then the
 * sub-blocks run as in q4_0, with the same registers. Integer sums are at most 15·127·16 = 30480 a 16-bit half.
 */
import {
  Q4_K_BLOCK, X16_BLOCK, X8_BLOCK, X_OFFSET, X_SCALE,
} from '../src/tensor/ops/layout-constants';
import {
  bytePairs, bytesU, dot16, highNibbles, joinRows, lane0, lane1, lane2, lane3, lowNibbles, nibbles8,
} from './matmul-dot';
import { loadHalf } from './matmul-half';
import { madd } from './simd';

const SUB_BLOCK: usize = 288;

/** Writes 16 sums to `out`, which has 64 more bytes for the kernel's own use. */
export function decodeQ4K(w: usize, x: usize, blocks: i32, out: usize): void {
  const xBlock: usize = ASC_FEATURE_RELAXED_SIMD ? X8_BLOCK : X16_BLOCK;
  for (let i: usize = 0; i < 64; i += 16) v128.store(out + i, f32x4.splat(0));
  for (; blocks > 0; blocks--) {
    minima(w, x + xBlock - 32, xBlock, out);
    for (let i: usize = 0; i < 4; i++) v128.store(out + 64 + (i << 4), loadHalf(w + (i << 3)));
    if (ASC_FEATURE_RELAXED_SIMD) bytes(w + 64, x, out);
    else words(w + 64, x, out);
    x += xBlock << 3;
    w += Q4_K_BLOCK;
  }
}

/** out += Σ dmin·minimum × (−s·Σx) of a super-block. */
// @ts-ignore: decorator
@inline
function minima(w: usize, x: usize, xBlock: usize, out: usize): void {
  let m0 = f32x4.splat(0);
  let m1 = f32x4.splat(0);
  let m2 = f32x4.splat(0);
  let m3 = f32x4.splat(0);
  const d0 = loadHalf(w + 32);
  const d1 = loadHalf(w + 40);
  const d2 = loadHalf(w + 48);
  const d3 = loadHalf(w + 56);
  let p = w + 80;
  for (const end = p + 8 * SUB_BLOCK; p != end; p += SUB_BLOCK) {
    const offset = v128.load32_splat(x, X_OFFSET);
    m0 = madd(f32x4.mul(d0, f32x4.convert_i32x4_s(bytesU(p))), offset, m0);
    m1 = madd(f32x4.mul(d1, f32x4.convert_i32x4_s(bytesU(p + 4))), offset, m1);
    m2 = madd(f32x4.mul(d2, f32x4.convert_i32x4_s(bytesU(p + 8))), offset, m2);
    m3 = madd(f32x4.mul(d3, f32x4.convert_i32x4_s(bytesU(p + 12))), offset, m3);
    x += xBlock;
  }
  v128.store(out, f32x4.add(v128.load(out), m0));
  v128.store(out, f32x4.add(v128.load(out, 16), m1), 16);
  v128.store(out, f32x4.add(v128.load(out, 32), m2), 32);
  v128.store(out, f32x4.add(v128.load(out, 48), m3), 48);
}

/** The eight sub-blocks at w; d as f32 lies behind the sums. */
// @ts-ignore: decorator
@inline
function bytes(w: usize, x: usize, out: usize): void {
  for (const end = w + 8 * SUB_BLOCK; w != end; w += SUB_BLOCK) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    const unit = v128.load32_splat(x, 32 + X_SCALE);
    const x0 = lane0(low);
    const x1 = lane1(low);
    const x2 = lane2(low);
    const x3 = lane3(low);
    const x4 = lane0(high);
    const x5 = lane1(high);
    const x6 = lane2(high);
    const x7 = lane3(high);
    fourRows(w, w + 32, x0, x1, x2, x3, x4, x5, x6, x7, unit, out);
    fourRows(w + 4, w + 48, x0, x1, x2, x3, x4, x5, x6, x7, unit, out + 16);
    fourRows(w + 8, w + 64, x0, x1, x2, x3, x4, x5, x6, x7, unit, out + 32);
    fourRows(w + 12, w + 80, x0, x1, x2, x3, x4, x5, x6, x7, unit, out + 48);
    x += X8_BLOCK;
  }
}

/** The integer sums times the 6-bit scales are still integers, below 2^22. */
// @ts-ignore: decorator
@inline
function fourRows(
  scales: usize, q: usize,
  x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, x6: v128, x7: v128,
  unit: v128, out: usize,
): void {
  const a = nibbles8(q, x0, x1, x2, x3, x4, x5, x6, x7, i32x4.splat(0));
  const sums = f32x4.convert_i32x4_s(i32x4.dot_i16x8_s(a, bytePairs(scales)));
  v128.store(out, madd(sums, f32x4.mul(v128.load(out, 64), unit), v128.load(out)));
}

// @ts-ignore: decorator
@inline
function words(w: usize, x: usize, out: usize): void {
  for (const end = w + 8 * SUB_BLOCK; w != end; w += SUB_BLOCK) {
    const scale = v128.load32_splat(x, 64 + X_SCALE);
    for (let g: usize = 0; g < 2; g++) {
      let a0 = i32x4.splat(0);
      let a1 = i32x4.splat(0);
      let a2 = i32x4.splat(0);
      let a3 = i32x4.splat(0);
      let q = w + 32 + (g << 5);
      for (let xj = x, stop = x + 32; xj != stop; xj += 8) {
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
      const d0 = f32x4.mul(f32x4.mul(v128.load(o, 64), f32x4.convert_i32x4_s(bytesU(w + (g << 3)))), scale);
      const d1 = f32x4.mul(f32x4.mul(v128.load(o, 80), f32x4.convert_i32x4_s(bytesU(w + (g << 3) + 4))), scale);
      v128.store(o, madd(f32x4.convert_i32x4_s(joinRows(a0, a1)), d0, v128.load(o)));
      v128.store(o, madd(f32x4.convert_i32x4_s(joinRows(a2, a3)), d1, v128.load(o, 16)), 16);
    }
    x += X16_BLOCK;
  }
}
