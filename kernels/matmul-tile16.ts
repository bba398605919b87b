/**
 * 16 rows × 2 tokens in 16-bit integers, as in matmul-tile8.ts: for 2 columns, each of the 8 pairs costs one 16-bit dot
 * product and one 32-bit addition, 8 products for two vector operations.
 */
import { Held, X16_BLOCK, X_OFFSET, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot16 } from './matmul-dot';
import { addMinima } from './matmul-minima';
import { UNPACKED_16 } from './matmul-unpack16';
import { madd } from './simd';

/**
 * f[t, 0..16) += `blocks` unpacked blocks at w × those of two tokens at x0 and x1, in the order of the decoding
 * kernels. The 128 bytes after f hold what a half of a block leaves for the other.
 */
export function tile16(type: i32, w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  if (type == Held.q6_k) inHalves(w, blocks, x0, x1, f);
  else if (type != Held.q4_k) whole(w, blocks, x0, x1, f);
  else {
    const at: usize = 64 + X_OFFSET;
    for (; blocks > 0; blocks -= 8) {
      addMinima(w + 1088, UNPACKED_16, x0 + at, x1 + at, X16_BLOCK, f);
      whole(w, 8, x0, x1, f);
      w += 8 * UNPACKED_16;
      x0 += 8 * X16_BLOCK;
      x1 += 8 * X16_BLOCK;
    }
  }
}

function whole(w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  for (; blocks > 0; blocks--) {
    columns(false, w, x0, x1, 0, 64, f);
    w += UNPACKED_16;
    x0 += X16_BLOCK;
    x1 += X16_BLOCK;
  }
}

/** The two halves of a block have scales of their own. */
function inHalves(w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  for (; blocks > 0; blocks--) {
    columns(true, w, x0, x1, 0, 32, f);
    columns(true, w, x0, x1, 32, 64, f);
    w += UNPACKED_16;
    x0 += X16_BLOCK;
    x1 += X16_BLOCK;
  }
}

/** The columns at bytes `from` to `to` of the activations. */
// @ts-ignore: decorator
@inline
function columns(halves: bool, w: usize, x0: usize, x1: usize, from: usize, to: usize, f: usize): void {
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  let xa = x0 + from;
  let xb = x1 + from;
  let p = w + (from << 4);
  for (const end = w + (to << 4); p != end; p += 64) {
    const w0 = v128.load(p);
    const w1 = v128.load(p, 16);
    const w2 = v128.load(p, 32);
    const w3 = v128.load(p, 48);
    let x = v128.load32_splat(xa);
    a0 = dot16(a0, w0, x);
    a1 = dot16(a1, w1, x);
    a2 = dot16(a2, w2, x);
    a3 = dot16(a3, w3, x);
    x = v128.load32_splat(xb);
    b0 = dot16(b0, w0, x);
    b1 = dot16(b1, w1, x);
    b2 = dot16(b2, w2, x);
    b3 = dot16(b3, w3, x);
    xa += 4;
    xb += 4;
  }
  const unitA = v128.load32_splat(x0, 64 + X_SCALE);
  const unitB = v128.load32_splat(x1, 64 + X_SCALE);
  fourRows(halves, a0, b0, unitA, unitB, w, from, f);
  fourRows(halves, a1, b1, unitA, unitB, w + 16, from, f + 16);
  fourRows(halves, a2, b2, unitA, unitB, w + 32, from, f + 32);
  fourRows(halves, a3, b3, unitA, unitB, w + 48, from, f + 48);
}

/** The sums of four rows, scaled and added to both tokens' f; the scales lie at w. */
// @ts-ignore: decorator
@inline
function fourRows(halves: bool, a: v128, b: v128, unitA: v128, unitB: v128, w: usize, from: usize, f: usize): void {
  if (halves) {
    const scales = from == 0 ? v128.load(w, 1088) : v128.load(w, 1152);
    a = i32x4.mul(a, scales);
    b = i32x4.mul(b, scales);
    if (from == 0) {
      v128.store(f, a, 128);
      v128.store(f, b, 192);
      return;
    }
    a = i32x4.add(v128.load(f, 128), a);
    b = i32x4.add(v128.load(f, 192), b);
  }
  const d = v128.load(w, 1024);
  v128.store(f, madd(f32x4.convert_i32x4_s(a), f32x4.mul(d, unitA), v128.load(f)));
  v128.store(f, madd(f32x4.convert_i32x4_s(b), f32x4.mul(d, unitB), v128.load(f, 64)), 64);
}
