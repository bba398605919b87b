/**
 * 8 rows × 4 tokens in 16-bit integers, as in matmul-tile8.ts: for 2 columns, each of the 8 pairs costs one 16-bit dot
 * product and one 32-bit addition, 8 products for two vector operations.
 */
import { Held, X16_BLOCK, X_OFFSET, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot16 } from './matmul-dot';
import { addMinima } from './matmul-minima';
import { UNPACKED_16 } from './matmul-unpack16';
import { madd } from './simd';

/**
 * f[t, 0..8) += `blocks` unpacked blocks at w × those of four tokens at x0 … x3, in the order of the decoding kernels.
 * The 128 bytes after f hold what a half of a block leaves for the other.
 */
export function tile16(
  type: i32, w: usize, blocks: i32, x0: usize, x1: usize, x2: usize, x3: usize, f: usize,
): void {
  for (let block = 0; block < blocks; block++) {
    if (type == Held.q4_k && (block & 7) == 0) {
      const at: usize = 64 + X_OFFSET;
      addMinima(w + 544, UNPACKED_16, x0 + at, x1 + at, x2 + at, x3 + at, X16_BLOCK, f);
    }
    if (type == Held.q6_k) inHalves(w, x0, x1, x2, x3, f);
    else whole(w, x0, x1, x2, x3, f);
    w += UNPACKED_16;
    x0 += X16_BLOCK;
    x1 += X16_BLOCK;
    x2 += X16_BLOCK;
    x3 += X16_BLOCK;
  }
}

function whole(w: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(false, w, x0, x1, x2, x3, 0, 64, f);
}

/** The two halves of a block have scales of their own. */
function inHalves(w: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(true, w, x0, x1, x2, x3, 0, 32, f);
  columns(true, w, x0, x1, x2, x3, 32, 64, f);
}

/** The columns at bytes `from` to `to` of the activations. */
// @ts-ignore: decorator
@inline
function columns(
  halves: bool, w: usize, x0: usize, x1: usize, x2: usize, x3: usize, from: usize, to: usize, f: usize,
): void {
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  for (let c = from; c < to; c += 4) {
    const a = v128.load(w + (c << 3));
    const b = v128.load(w + (c << 3), 16);
    let x = v128.load32_splat(x0 + c);
    a0 = dot16(a0, a, x);
    b0 = dot16(b0, b, x);
    x = v128.load32_splat(x1 + c);
    a1 = dot16(a1, a, x);
    b1 = dot16(b1, b, x);
    x = v128.load32_splat(x2 + c);
    a2 = dot16(a2, a, x);
    b2 = dot16(b2, b, x);
    x = v128.load32_splat(x3 + c);
    a3 = dot16(a3, a, x);
    b3 = dot16(b3, b, x);
  }
  token(halves, a0, b0, w, x0, from, f);
  token(halves, a1, b1, w, x1, from, f + 32);
  token(halves, a2, b2, w, x2, from, f + 64);
  token(halves, a3, b3, w, x3, from, f + 96);
}

/** f[0..8) += the sums of one token, scaled. */
// @ts-ignore: decorator
@inline
function token(halves: bool, a: v128, b: v128, w: usize, x: usize, from: usize, f: usize): void {
  if (halves) {
    a = i32x4.mul(a, v128.load(w + from, 544));
    b = i32x4.mul(b, v128.load(w + from, 560));
    if (from == 0) {
      v128.store(f, a, 128);
      v128.store(f, b, 144);
      return;
    }
    a = i32x4.add(v128.load(f, 128), a);
    b = i32x4.add(v128.load(f, 144), b);
  }
  const unit = v128.load32_splat(x, 64 + X_SCALE);
  v128.store(f, madd(f32x4.convert_i32x4_s(a), f32x4.mul(v128.load(w, 512), unit), v128.load(f)));
  v128.store(f, madd(f32x4.convert_i32x4_s(b), f32x4.mul(v128.load(w, 528), unit), v128.load(f, 16)), 16);
}
