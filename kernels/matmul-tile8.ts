/**
 * 16 rows × 2 tokens in bytes (relaxed SIMD). For 4 columns: four weight vectors and two broadcast words of
 * activations are loaded, and each of the 8 pairs costs one 8-bit dot product and one 16-bit addition: 16 products for
 * two vector operations. A block of 32 columns ends with about four more for each pair, to widen and scale.
 * Registers: 8 sums, 6 operands; the float sums live in memory. The loop over columns is not unrolled on purpose: V8
 * would move all its loads to the front and spill. More tokens by fewer rows would cost an addition a token to step on.
 */
import { Held, X8_BLOCK, X_OFFSET, X_PAIRS_32A, X_PAIRS_32B, X_PAIRS_8, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot8 } from './matmul-dot';
import { addMinima } from './matmul-minima';
import { UNPACKED_8 } from './matmul-unpack8';
import { madd } from './simd';

/**
 * f[t, 0..16) += `blocks` unpacked blocks at w × those of two tokens at x0 and x1, in the order of the decoding
 * kernels. The 128 bytes after f hold what a half of a block leaves for the other.
 */
export function tile8(type: i32, w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  if (type == Held.q4_0) q4_0(w, blocks, x0, x1, f);
  else if (type == Held.q6_k) q6_k(w, blocks, x0, x1, f);
  else {
    const at: usize = 32 + X_OFFSET;
    for (; blocks > 0; blocks -= 8) {
      addMinima(w + 576, UNPACKED_8, x0 + at, x1 + at, X8_BLOCK, f);
      q4_k(w, 8, x0, x1, f);
      w += 8 * UNPACKED_8;
      x0 += 8 * X8_BLOCK;
      x1 += 8 * X8_BLOCK;
    }
  }
}

function q4_0(w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  for (; blocks > 0; blocks--) {
    columns(Held.q4_0, w, x0, x1, 0, 32, f);
    w += UNPACKED_8;
    x0 += X8_BLOCK;
    x1 += X8_BLOCK;
  }
}

function q4_k(w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  for (; blocks > 0; blocks--) {
    columns(Held.q4_k, w, x0, x1, 0, 32, f);
    w += UNPACKED_8;
    x0 += X8_BLOCK;
    x1 += X8_BLOCK;
  }
}

/** The two halves of a block have scales of their own. */
function q6_k(w: usize, blocks: i32, x0: usize, x1: usize, f: usize): void {
  for (; blocks > 0; blocks--) {
    columns(Held.q6_k, w, x0, x1, 0, 16, f);
    columns(Held.q6_k, w, x0, x1, 16, 32, f);
    w += UNPACKED_8;
    x0 += X8_BLOCK;
    x1 += X8_BLOCK;
  }
}

// @ts-ignore: decorator
@inline
function columns(type: i32, w: usize, x0: usize, x1: usize, from: usize, to: usize, f: usize): void {
  let a0 = start(type, x0, from);
  let b0 = start(type, x1, from);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b1 = b0;
  let b2 = b0;
  let b3 = b0;
  let xa = x0 + from;
  let xb = x1 + from;
  let p = w + (from << 4);
  for (const end = w + (to << 4); p != end; p += 64) {
    const w0 = v128.load(p);
    const w1 = v128.load(p, 16);
    const w2 = v128.load(p, 32);
    const w3 = v128.load(p, 48);
    let x = v128.load32_splat(xa);
    a0 = dot8(a0, w0, x);
    a1 = dot8(a1, w1, x);
    a2 = dot8(a2, w2, x);
    a3 = dot8(a3, w3, x);
    x = v128.load32_splat(xb);
    b0 = dot8(b0, w0, x);
    b1 = dot8(b1, w1, x);
    b2 = dot8(b2, w2, x);
    b3 = dot8(b3, w3, x);
    xa += 4;
    xb += 4;
  }
  const unitA = v128.load32_splat(x0, 32 + X_SCALE);
  const unitB = v128.load32_splat(x1, 32 + X_SCALE);
  fourRows(type, a0, b0, unitA, unitB, w, from, f);
  fourRows(type, a1, b1, unitA, unitB, w + 16, from, f + 16);
  fourRows(type, a2, b2, unitA, unitB, w + 32, from, f + 32);
  fourRows(type, a3, b3, unitA, unitB, w + 48, from, f + 48);
}

/** What a token's sums start from: the offset that the unsigned weights carry, times the sum of the activations. */
// @ts-ignore: decorator
@inline
function start(type: i32, x: usize, from: usize): v128 {
  if (type == Held.q4_0) return v128.load32_splat(x, 32 + X_PAIRS_8);
  if (type == Held.q4_k) return i32x4.splat(0);
  return from == 0 ? v128.load32_splat(x, 32 + X_PAIRS_32A) : v128.load32_splat(x, 32 + X_PAIRS_32B);
}

/** The sums of four rows, widened, scaled and added to both tokens' f; the scales lie at w. */
// @ts-ignore: decorator
@inline
function fourRows(type: i32, a: v128, b: v128, unitA: v128, unitB: v128, w: usize, from: usize, f: usize): void {
  // A sum's two halves are added as they widen; the K types scale them on the way.
  const second = type == Held.q4_k || from != 0;
  const scales = type == Held.q4_0 ? i16x8.splat(1) : second ? v128.load(w, 640) : v128.load(w, 576);
  let wideA = i32x4.dot_i16x8_s(a, scales);
  let wideB = i32x4.dot_i16x8_s(b, scales);
  if (type == Held.q6_k) {
    if (from == 0) {
      v128.store(f, wideA, 128);
      v128.store(f, wideB, 192);
      return;
    }
    wideA = i32x4.add(v128.load(f, 128), wideA);
    wideB = i32x4.add(v128.load(f, 192), wideB);
  }
  const d = v128.load(w, 512);
  v128.store(f, madd(f32x4.convert_i32x4_s(wideA), f32x4.mul(d, unitA), v128.load(f)));
  v128.store(f, madd(f32x4.convert_i32x4_s(wideB), f32x4.mul(d, unitB), v128.load(f, 64)), 64);
}
