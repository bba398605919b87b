/**
 * 8 rows × 4 tokens in bytes (relaxed SIMD). For 4 columns: two weight vectors and four broadcast words of
 * activations are loaded, and each of the 8 pairs costs one 8-bit dot product and one 16-bit addition: 16 products for
 * two vector operations. A block of 32 columns ends with about four more for each pair, to widen and scale.
 * Registers: 8 sums, 6 operands; the float sums live in memory. The loop over columns is not unrolled on purpose: V8
 * would move all its loads to the front and spill.
 */
import { Held, X8_BLOCK, X_OFFSET, X_PAIRS_32A, X_PAIRS_32B, X_PAIRS_8, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot8 } from './matmul-dot';
import { addMinima } from './matmul-minima';
import { UNPACKED_8 } from './matmul-unpack8';
import { madd } from './simd';

/**
 * f[t, 0..8) += `blocks` unpacked blocks at w × those of four tokens at x0 … x3, in the order of the decoding kernels.
 * The 128 bytes after f hold what a half of a block leaves for the other.
 */
export function tile8(
  type: i32, w: usize, blocks: i32, x0: usize, x1: usize, x2: usize, x3: usize, f: usize,
): void {
  for (let block = 0; block < blocks; block++) {
    if (type == Held.q4_k && (block & 7) == 0) {
      const at: usize = 32 + X_OFFSET;
      addMinima(w + 288, UNPACKED_8, x0 + at, x1 + at, x2 + at, x3 + at, X8_BLOCK, f);
    }
    if (type == Held.q4_0) q4_0(w, x0, x1, x2, x3, f);
    else if (type == Held.q4_k) q4_k(w, x0, x1, x2, x3, f);
    else q6_k(w, x0, x1, x2, x3, f);
    w += UNPACKED_8;
    x0 += X8_BLOCK;
    x1 += X8_BLOCK;
    x2 += X8_BLOCK;
    x3 += X8_BLOCK;
  }
}

function q4_0(w: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(Held.q4_0, w, x0, x1, x2, x3, 0, 32, f);
}

function q4_k(w: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(Held.q4_k, w, x0, x1, x2, x3, 0, 32, f);
}

/** The two halves of a block have scales of their own. */
function q6_k(w: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(Held.q6_k, w, x0, x1, x2, x3, 0, 16, f);
  columns(Held.q6_k, w, x0, x1, x2, x3, 16, 32, f);
}

// @ts-ignore: decorator
@inline
function columns(
  type: i32, w: usize, x0: usize, x1: usize, x2: usize, x3: usize, from: usize, to: usize, f: usize,
): void {
  let a0 = start(type, x0, from);
  let a1 = start(type, x1, from);
  let a2 = start(type, x2, from);
  let a3 = start(type, x3, from);
  let b0 = a0;
  let b1 = a1;
  let b2 = a2;
  let b3 = a3;
  for (let c = from; c < to; c += 4) {
    const a = v128.load(w + (c << 3));
    const b = v128.load(w + (c << 3), 16);
    let x = v128.load32_splat(x0 + c);
    a0 = dot8(a0, a, x);
    b0 = dot8(b0, b, x);
    x = v128.load32_splat(x1 + c);
    a1 = dot8(a1, a, x);
    b1 = dot8(b1, b, x);
    x = v128.load32_splat(x2 + c);
    a2 = dot8(a2, a, x);
    b2 = dot8(b2, b, x);
    x = v128.load32_splat(x3 + c);
    a3 = dot8(a3, a, x);
    b3 = dot8(b3, b, x);
  }
  token(type, a0, b0, w, x0, from, f);
  token(type, a1, b1, w, x1, from, f + 32);
  token(type, a2, b2, w, x2, from, f + 64);
  token(type, a3, b3, w, x3, from, f + 96);
}

/** What a token's sums start from: the offset that the unsigned weights carry, times the sum of the activations. */
// @ts-ignore: decorator
@inline
function start(type: i32, x: usize, from: usize): v128 {
  if (type == Held.q4_0) return v128.load32_splat(x, 32 + X_PAIRS_8);
  if (type == Held.q4_k) return i32x4.splat(0);
  return from == 0 ? v128.load32_splat(x, 32 + X_PAIRS_32A) : v128.load32_splat(x, 32 + X_PAIRS_32B);
}

/** f[0..8) += the sums of one token, scaled. */
// @ts-ignore: decorator
@inline
function token(type: i32, a: v128, b: v128, w: usize, x: usize, from: usize, f: usize): void {
  // A sum's two halves are added as they widen; the K types scale them on the way.
  const scales = type == Held.q4_k ? w + 320 : w + 288 + (from << 1);
  const ones = i16x8.splat(1);
  let wideA = i32x4.dot_i16x8_s(a, type == Held.q4_0 ? ones : v128.load(scales));
  let wideB = i32x4.dot_i16x8_s(b, type == Held.q4_0 ? ones : v128.load(scales, 16));
  if (type == Held.q6_k) {
    if (from == 0) {
      v128.store(f, wideA, 128);
      v128.store(f, wideB, 144);
      return;
    }
    wideA = i32x4.add(v128.load(f, 128), wideA);
    wideB = i32x4.add(v128.load(f, 144), wideB);
  }
  const unit = v128.load32_splat(x, 32 + X_SCALE);
  v128.store(f, madd(f32x4.convert_i32x4_s(wideA), f32x4.mul(v128.load(w, 256), unit), v128.load(f)));
  v128.store(f, madd(f32x4.convert_i32x4_s(wideB), f32x4.mul(v128.load(w, 272), unit), v128.load(f, 16)), 16);
}
