/**
 * The one matrix product that attention and the delta rule share: a register tile of 4 rows by 8 columns.
 * Rows of A are read one value at a time and spread over the lanes; B gives two vectors a step, wherever they lie.
 * Sizes are the caller's business: it pads rows to a multiple of 4 and columns to a multiple of 8.
 */
import { madd } from './simd';

/**
 * c[i][0..8) = scale[i] · c[i][0..8) + Σ_k a[i][k] · b[k][0..8) for four rows i. Without `scales` (0), c is
 * overwritten. Row k of b is four floats at b + k·bStep and four more at bNext bytes after them. Strides are in bytes.
 */
export function tile(
  a: usize,
  aStride: usize,
  b: usize,
  bStep: usize,
  bNext: usize,
  k: i32,
  c: usize,
  cStride: usize,
  scales: usize,
): void {
  const a1 = a + aStride;
  const a2 = a1 + aStride;
  const a3 = a2 + aStride;
  let x00 = f32x4.splat(0),
    x01 = x00,
    x10 = x00,
    x11 = x00,
    x20 = x00,
    x21 = x00,
    x30 = x00,
    x31 = x00;
  const c1 = c + cStride;
  const c2 = c1 + cStride;
  const c3 = c2 + cStride;
  if (scales) {
    let s = v128.load32_splat(scales);
    x00 = f32x4.mul(s, v128.load(c));
    x01 = f32x4.mul(s, v128.load(c, 16));
    s = v128.load32_splat(scales, 4);
    x10 = f32x4.mul(s, v128.load(c1));
    x11 = f32x4.mul(s, v128.load(c1, 16));
    s = v128.load32_splat(scales, 8);
    x20 = f32x4.mul(s, v128.load(c2));
    x21 = f32x4.mul(s, v128.load(c2, 16));
    s = v128.load32_splat(scales, 12);
    x30 = f32x4.mul(s, v128.load(c3));
    x31 = f32x4.mul(s, v128.load(c3, 16));
  }
  const end = (<usize>k) << 2;
  for (let i: usize = 0; i < end; i += 4) {
    const b0 = v128.load(b);
    const b1 = v128.load(b + bNext);
    b += bStep;
    let v = v128.load32_splat(a + i);
    x00 = madd(v, b0, x00);
    x01 = madd(v, b1, x01);
    v = v128.load32_splat(a1 + i);
    x10 = madd(v, b0, x10);
    x11 = madd(v, b1, x11);
    v = v128.load32_splat(a2 + i);
    x20 = madd(v, b0, x20);
    x21 = madd(v, b1, x21);
    v = v128.load32_splat(a3 + i);
    x30 = madd(v, b0, x30);
    x31 = madd(v, b1, x31);
  }
  v128.store(c, x00);
  v128.store(c, x01, 16);
  v128.store(c1, x10);
  v128.store(c1, x11, 16);
  v128.store(c2, x20);
  v128.store(c2, x21, 16);
  v128.store(c3, x30);
  v128.store(c3, x31, 16);
}
