/**
 * A run of a panel as bytes for the 8-bit tiles. Each block of 32 columns is 704 bytes: for every 4 columns four
 * vectors of four rows (values 0 to 127), then 16 f32 scales, then q4_k: 16 f32 minima and 16 scales as 16-bit pairs;
 * q6_k: 16 scales of the half A and 16 of the half B as 16-bit pairs (the f32 scale of both types is d).
 */
import { Held, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK } from '../src/tensor/ops/layout-constants';
import { bytePairs, bytesU, highNibbles, lowNibbles } from './matmul-dot';
import { loadHalf } from './matmul-half';

export const UNPACKED_8: usize = 704;

export function unpack8(type: i32, w: usize, blocks: i32, scratch: usize): void {
  if (type == Held.q4_0) {
    for (; blocks > 0; blocks--) {
      for (let g: usize = 0; g < 4; g++) {
        const out = scratch + (g << 4);
        nibbleGroup(w + 32 + (g << 4), out);
        v128.store(out, loadHalf(w + (g << 3)), 512);
      }
      w += Q4_0_BLOCK;
      scratch += UNPACKED_8;
    }
  } else if (type == Held.q4_k) {
    for (; blocks > 0; blocks -= 8) {
      for (let sub = w + 64, end = sub + 2304; sub != end; sub += 288) {
        for (let g: usize = 0; g < 4; g++) {
          const out = scratch + (g << 4);
          nibbleGroup(sub + 32 + (g << 4), out);
          const minima = f32x4.convert_i32x4_s(bytesU(sub + 16 + (g << 2)));
          v128.store(out, loadHalf(w + (g << 3)), 512);
          v128.store(out, f32x4.mul(loadHalf(w + 32 + (g << 3)), minima), 576);
          v128.store(out, bytePairs(sub + (g << 2)), 640);
        }
        scratch += UNPACKED_8;
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
          v128.store(out, loadHalf(w + (g << 3)), 512);
          v128.store(out, bytePairs(scales + (g << 2)), 576);
          v128.store(out, bytePairs(scales + 16 + (g << 2)), 640);
        }
        scratch += UNPACKED_8;
      }
      w += Q6_K_BLOCK;
    }
  }
}

// @ts-ignore: decorator
@inline
function nibbleGroup(q: usize, out: usize): void {
  for (let end = q + 256; q != end; q += 64) {
    const v = v128.load(q);
    v128.store(out, lowNibbles(v));
    v128.store(out, highNibbles(v), 256);
    out += 64;
  }
}

// @ts-ignore: decorator
@inline
function sixGroup(q: usize, out: usize): void {
  const two = i8x16.splat(0x30);
  for (let h = q + 256, end = h + 128; h != end; h += 64) {
    const high = v128.load(h);
    const v0 = v128.load(q);
    const v1 = v128.load(q, 64);
    v128.store(out, v128.or(lowNibbles(v0), v128.and(i16x8.shl(high, 4), two)));
    v128.store(out, v128.or(highNibbles(v0), v128.and(i16x8.shl(high, 2), two)), 256);
    v128.store(out, v128.or(lowNibbles(v1), v128.and(high, two)), 64);
    v128.store(out, v128.or(highNibbles(v1), v128.and(i16x8.shr_u(high, 2), two)), 320);
    q += 128;
    out += 128;
  }
}
