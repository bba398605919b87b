/**
 * 8 rows × 4 tokens in 16-bit integers, as in matmul-tile8.ts: for 2 columns, each of the 8 pairs costs one 16-bit dot
 * product and one 32-bit addition, 8 products for two vector operations.
 */
import { Held, X16_BLOCK, X_OFFSET, X_SCALE } from '../src/tensor/ops/layout-constants';
import { dot16 } from './matmul-dot';
import { UNPACKED_16 } from './matmul-unpack16';
import { madd } from './simd';

const SUMS: usize = 32;

/**
 * f[t, 0..8) += `blocks` unpacked blocks × those of four tokens at x0 … x3. Rows 0 to 3 are at w, 4 to 7 at `next`
 * bytes after.
 */
export function tile16(
  type: i32, w: usize, next: usize, blocks: i32, x0: usize, x1: usize, x2: usize, x3: usize, f: usize,
): void {
  for (; blocks > 0; blocks--) {
    if (type == Held.q4_k) withMinima(w, w + next, x0, x1, x2, x3, f);
    else if (type == Held.q6_k) inHalves(w, w + next, x0, x1, x2, x3, f);
    else whole(w, w + next, x0, x1, x2, x3, f);
    w += UNPACKED_16;
    x0 += X16_BLOCK;
    x1 += X16_BLOCK;
    x2 += X16_BLOCK;
    x3 += X16_BLOCK;
  }
}

function whole(u: usize, v: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(false, u, v, x0, x1, x2, x3, 0, 64, f);
}

function withMinima(u: usize, v: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(true, u, v, x0, x1, x2, x3, 0, 64, f);
}

/** The two halves of a block have scales of their own. */
function inHalves(u: usize, v: usize, x0: usize, x1: usize, x2: usize, x3: usize, f: usize): void {
  columns(false, u, v, x0, x1, x2, x3, 0, 32, f);
  columns(false, u, v, x0, x1, x2, x3, 32, 64, f);
}

/** The columns at bytes `from` to `to` of the activations. */
// @ts-ignore: decorator
@inline
function columns(
  minima: bool, u: usize, v: usize, x0: usize, x1: usize, x2: usize, x3: usize, from: usize, to: usize, f: usize,
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
    const a = v128.load(u + (c << 2));
    const b = v128.load(v + (c << 2));
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
  add(minima, a0, u, x0, from, f);
  add(minima, b0, v, x0, from, f + 16);
  add(minima, a1, u, x1, from, f + SUMS);
  add(minima, b1, v, x1, from, f + SUMS + 16);
  add(minima, a2, u, x2, from, f + 2 * SUMS);
  add(minima, b2, v, x2, from, f + 2 * SUMS + 16);
  add(minima, a3, u, x3, from, f + 3 * SUMS);
  add(minima, b3, v, x3, from, f + 3 * SUMS + 16);
}

/** f += the sums of a token and four rows, scaled. */
// @ts-ignore: decorator
@inline
function add(minima: bool, sums: v128, w: usize, x: usize, from: usize, f: usize): void {
  // The second half of a q6_k block has the scales after the first's.
  const scales = from == 0 ? v128.load(w, 256) : v128.load(w, 272);
  let total = v128.load(f);
  if (minima) total = madd(v128.load(w, 272), v128.load32_splat(x, 64 + X_OFFSET), total);
  const scale = f32x4.mul(scales, v128.load32_splat(x, 64 + X_SCALE));
  v128.store(f, madd(f32x4.convert_i32x4_s(sums), scale, total));
}
