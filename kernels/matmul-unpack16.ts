/**
 * A run of a panel as 16-bit integers, offsets subtracted, for the 16-bit tiles. Each block of 32 columns is 1216 bytes:
 * for every 2 columns four vectors of four rows, then 16 f32 scales, then q4_k: 16 f32 minima; q6_k: 16 i32 scales of
 * the half A and 16 of the half B (the f32 scale is d).
 */
import { Held, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK } from '../src/tensor/ops/layout-constants';
import { bytesS, bytesU, highNibbles, lowNibbles } from './matmul-dot';
import { loadHalf } from './matmul-half';

export const UNPACKED_16: usize = 1216;

export function unpack16(type: i32, w: usize, blocks: i32, scratch: usize): void {
  if (type == Held.q8_0) {
    for (; blocks > 0; blocks--) {
      for (let g: usize = 0; g < 4; g++) {
        const out = scratch + (g << 4);
        const q = w + 32 + (g << 4);
        for (let j: usize = 0; j < 8; j++) widen(v128.load(q + (j << 6)), out + (j << 7));
        v128.store(out, loadHalf(w + (g << 3)), 1024);
      }
      w += Q8_0_BLOCK;
      scratch += UNPACKED_16;
    }
  } else if (type == Held.q4_0) {
    for (; blocks > 0; blocks--) {
      for (let g: usize = 0; g < 4; g++) {
        const out = scratch + (g << 4);
        nibbleGroup(w + 32 + (g << 4), out, i8x16.splat(8));
        v128.store(out, loadHalf(w + (g << 3)), 1024);
      }
      w += Q4_0_BLOCK;
      scratch += UNPACKED_16;
    }
  } else if (type == Held.q4_k) {
    for (; blocks > 0; blocks -= 8) {
      for (let sub = w + 64, end = sub + 2304; sub != end; sub += 288) {
        for (let g: usize = 0; g < 4; g++) {
          const out = scratch + (g << 4);
          nibbleGroup(sub + 32 + (g << 4), out, i8x16.splat(0));
          const scales = f32x4.convert_i32x4_s(bytesU(sub + (g << 2)));
          const minima = f32x4.convert_i32x4_s(bytesU(sub + 16 + (g << 2)));
          v128.store(out, f32x4.mul(loadHalf(w + (g << 3)), scales), 1024);
          v128.store(out, f32x4.mul(loadHalf(w + 32 + (g << 3)), minima), 1088);
        }
        scratch += UNPACKED_16;
      }
      w += Q4_K_BLOCK;
    }
  } else {
    for (; blocks > 0; blocks -= 8) {
      for (let i: usize = 0; i < 8; i++) {
        const q = w + 288 + i * 384;
        const scales = w + 32 + (i << 5);
        for (let g: usize = 0; g < 4; g++) {
          const out = scratch + (g << 4);
          sixGroup(q + (g << 4), out);
          v128.store(out, loadHalf(w + (g << 3)), 1024);
          v128.store(out, bytesS(scales + (g << 2)), 1088);
          v128.store(out, bytesS(scales + 16 + (g << 2)), 1152);
        }
        scratch += UNPACKED_16;
      }
      w += Q6_K_BLOCK;
    }
  }
}

/** 4 rows × 4 byte columns as two vectors of 4 rows × 2 columns. */
// @ts-ignore: decorator
@inline
function widen(v: v128, out: usize): void {
  const a = i16x8.extend_low_i8x16_s(v);
  const b = i16x8.extend_high_i8x16_s(v);
  v128.store(out, i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27));
  v128.store(out, i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31), 64);
}

// @ts-ignore: decorator
@inline
function nibbleGroup(q: usize, out: usize, offset: v128): void {
  for (let end = q + 256; q != end; q += 64) {
    const v = v128.load(q);
    widen(i8x16.sub(lowNibbles(v), offset), out);
    widen(i8x16.sub(highNibbles(v), offset), out + 512);
    out += 128;
  }
}

// @ts-ignore: decorator
@inline
function sixGroup(q: usize, out: usize): void {
  const two = i8x16.splat(0x30);
  const offset = i8x16.splat(32);
  for (let h = q + 256, end = h + 128; h != end; h += 64) {
    const high = v128.load(h);
    const v0 = v128.load(q);
    const v1 = v128.load(q, 64);
    widen(i8x16.sub(v128.or(lowNibbles(v0), v128.and(i16x8.shl(high, 4), two)), offset), out);
    widen(i8x16.sub(v128.or(highNibbles(v0), v128.and(i16x8.shl(high, 2), two)), offset), out + 512);
    widen(i8x16.sub(v128.or(lowNibbles(v1), v128.and(high, two)), offset), out + 128);
    widen(i8x16.sub(v128.or(highNibbles(v1), v128.and(i16x8.shr_u(high, 2), two)), offset), out + 640);
    q += 128;
    out += 256;
  }
}
