/**
 * One token × a panel of 16 rows of q4_0.
 *
 * Relaxed: the block's 32 values of x stay in registers, four columns a vector, while four groups of four rows pass.
 * For 32 products a load, three operations that separate the nibbles, two 8-bit dot products and two 16-bit additions;
 * for four rows 16 more to scale: about 240 instructions for the 288 bytes of a block. The sums start at −8·Σx, which
 * makes Σ(q−8)x of them; that fits 16 bits however the steps between wrap. Registers: 8 of x, the start, the sums,
 * weights, mask, 3 temporaries: 15. Float sums live in memory for the reason given in matmul-tile8.ts.
 *
 * Plain: nibbles widened to 16 bits, two rows × four columns at a time, eight rows a pass. For 8 products half a
 * widening, a 16-bit dot product and an addition. Registers: 4 sums, 2 of x, 4 temporaries: 10.
 */
import { Q4_0_BLOCK, X16_BLOCK, X8_BLOCK, X_SCALE, X_SUM } from '../src/tensor/ops/layout-constants';
import { dot16, highNibbles, joinRows, lane0, lane1, lane2, lane3, lowNibbles, nibbles8 } from './matmul-dot';
import { loadHalf } from './matmul-half';
import { madd } from './simd';

/** Writes 16 sums to `out`, which has 64 more bytes for the kernel's own use. */
export function decodeQ4_0(w: usize, x: usize, blocks: i32, out: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) bytes(w, x, blocks, out);
  else words(w, x, blocks, out);
}

function bytes(w: usize, x: usize, blocks: i32, out: usize): void {
  memory.fill(out, 0, 64);
  for (; blocks > 0; blocks--) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    const head = v128.load(x, 32);
    const x0 = lane0(low);
    const x1 = lane1(low);
    const x2 = lane2(low);
    const x3 = lane3(low);
    const x4 = lane0(high);
    const x5 = lane1(high);
    const x6 = lane2(high);
    const x7 = lane3(high);
    const start = lane3(head);
    const unit = lane0(head);
    v128.store(out, f32x4.mul(loadHalf(w), unit), 64);
    v128.store(out, f32x4.mul(loadHalf(w + 8), unit), 80);
    v128.store(out, f32x4.mul(loadHalf(w + 16), unit), 96);
    v128.store(out, f32x4.mul(loadHalf(w + 24), unit), 112);
    fourRows(w + 32, x0, x1, x2, x3, x4, x5, x6, x7, start, out);
    fourRows(w + 48, x0, x1, x2, x3, x4, x5, x6, x7, start, out + 16);
    fourRows(w + 64, x0, x1, x2, x3, x4, x5, x6, x7, start, out + 32);
    fourRows(w + 80, x0, x1, x2, x3, x4, x5, x6, x7, start, out + 48);
    x += X8_BLOCK;
    w += Q4_0_BLOCK;
  }
}

// @ts-ignore: decorator
@inline
function fourRows(
  q: usize,
  x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, x6: v128, x7: v128,
  start: v128, out: usize,
): void {
  const a = nibbles8(q, x0, x1, x2, x3, x4, x5, x6, x7, start);
  const sums = f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(a));
  v128.store(out, madd(sums, v128.load(out, 64), v128.load(out)));
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
      v128.store(o, madd(d0, f32x4.mul(loadHalf(s), scale), v128.load(o)));
      v128.store(o, madd(d1, f32x4.mul(loadHalf(s + 8), scale), v128.load(o, 16)), 16);
    }
    x += X16_BLOCK;
    w += Q4_0_BLOCK;
  }
}
