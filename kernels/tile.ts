/**
 * The one matrix product that attention and the delta rule share: c = a · b on register tiles, where b is cut into
 * panels, [k][columns] in contiguous memory: 16 columns in the cache, 8 in the delta rule's state. A panel's type is
 * f32, or u16 for f16 bits whose exponent is not yet rebiased (2^-112 of the value, see simd.ts): the caller puts the
 * factor into a. Values of a are read one at a time and spread over the lanes. Strides are in bytes, k counts rows of
 * b. Every tile adds a sum's products in the order of k, so a sum does not depend on the tile that computes it.
 */
import { madd } from './simd';

/** What a u16 panel's values must be multiplied by. */
export const F16_SCALE: f32 = reinterpret<f32>(0x77800000);

// @ts-ignore: decorator
@inline
function bits(h: v128): v128 {
  return v128.and(i32x4.shl(h, 13), i32x4.splat(0x8fffe000));
}

/** Four rows, 8 columns: c[i] = scales[i] · c[i] + a[i] · b; without `scales` (0) c is overwritten. */
export function tile4<T>(
  a: usize, aStride: usize, b: usize, bStride: usize, k: i32, c: usize, cStride: usize, scales: usize,
): void {
  let a1 = a + aStride;
  let a2 = a1 + aStride;
  let a3 = a2 + aStride;
  let x00 = f32x4.splat(0), x01 = x00, x10 = x00, x11 = x00, x20 = x00, x21 = x00, x30 = x00, x31 = x00;
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
  // One row of b a turn: a loop unrolled by hand needs more registers than V8 has, and halves the speed.
  for (let i = 0; i < k; i++) {
    const b0 = sizeof<T>() == 2 ? bits(v128.load16x4_s(b)) : v128.load(b);
    const b1 = sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 8)) : v128.load(b, 16);
    let v = v128.load32_splat(a);
    x00 = madd(v, b0, x00);
    x01 = madd(v, b1, x01);
    v = v128.load32_splat(a1);
    x10 = madd(v, b0, x10);
    x11 = madd(v, b1, x11);
    v = v128.load32_splat(a2);
    x20 = madd(v, b0, x20);
    x21 = madd(v, b1, x21);
    v = v128.load32_splat(a3);
    x30 = madd(v, b0, x30);
    x31 = madd(v, b1, x31);
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    b += bStride;
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

/** Two rows, a panel of 16 columns: c[i] = scales[i] · c[i] + a[i] · b. */
function tile2<T>(a: usize, aStride: usize, b: usize, k: i32, c: usize, cStride: usize, scales: usize): void {
  let a1 = a + aStride;
  let x00 = f32x4.splat(0), x01 = x00, x02 = x00, x03 = x00, x10 = x00, x11 = x00, x12 = x00, x13 = x00;
  if (scales) {
    const c1 = c + cStride;
    let s = v128.load32_splat(scales);
    x00 = f32x4.mul(s, v128.load(c));
    x01 = f32x4.mul(s, v128.load(c, 16));
    x02 = f32x4.mul(s, v128.load(c, 32));
    x03 = f32x4.mul(s, v128.load(c, 48));
    s = v128.load32_splat(scales, 4);
    x10 = f32x4.mul(s, v128.load(c1));
    x11 = f32x4.mul(s, v128.load(c1, 16));
    x12 = f32x4.mul(s, v128.load(c1, 32));
    x13 = f32x4.mul(s, v128.load(c1, 48));
  }
  for (let i = 0; i < k; i++) {
    const v0 = v128.load32_splat(a);
    const v1 = v128.load32_splat(a1);
    let v = sizeof<T>() == 2 ? bits(v128.load16x4_s(b)) : v128.load(b);
    x00 = madd(v0, v, x00);
    x10 = madd(v1, v, x10);
    v = sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 8)) : v128.load(b, 16);
    x01 = madd(v0, v, x01);
    x11 = madd(v1, v, x11);
    v = sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 16)) : v128.load(b, 32);
    x02 = madd(v0, v, x02);
    x12 = madd(v1, v, x12);
    v = sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 24)) : v128.load(b, 48);
    x03 = madd(v0, v, x03);
    x13 = madd(v1, v, x13);
    a += 4;
    a1 += 4;
    b += sizeof<T>() * 16;
  }
  v128.store(c, x00);
  v128.store(c, x01, 16);
  v128.store(c, x02, 32);
  v128.store(c, x03, 48);
  c += cStride;
  v128.store(c, x10);
  v128.store(c, x11, 16);
  v128.store(c, x12, 32);
  v128.store(c, x13, 48);
}

/** One row, a panel of 16 columns. */
function tile1<T>(a: usize, b: usize, k: i32, c: usize, scales: usize): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0;
  if (scales) {
    const s = v128.load32_splat(scales);
    x0 = f32x4.mul(s, v128.load(c));
    x1 = f32x4.mul(s, v128.load(c, 16));
    x2 = f32x4.mul(s, v128.load(c, 32));
    x3 = f32x4.mul(s, v128.load(c, 48));
  }
  for (let i = 0; i < k; i++) {
    const v = v128.load32_splat(a);
    x0 = madd(v, sizeof<T>() == 2 ? bits(v128.load16x4_s(b)) : v128.load(b), x0);
    x1 = madd(v, sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 8)) : v128.load(b, 16), x1);
    x2 = madd(v, sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 16)) : v128.load(b, 32), x2);
    x3 = madd(v, sizeof<T>() == 2 ? bits(v128.load16x4_s(b, 24)) : v128.load(b, 48), x3);
    a += 4;
    b += sizeof<T>() * 16;
  }
  v128.store(c, x0);
  v128.store(c, x1, 16);
  v128.store(c, x2, 32);
  v128.store(c, x3, 48);
}

/**
 * c[rows][16 · panels] = (scales[rows] · c +) a · b for any number of rows and of panels of 16 columns `bNext` bytes
 * apart; c's columns are contiguous; without `scales` (0) c is overwritten. Meant for few rows, where reading b decides the time: b is read once for up to four rows.
 */
export function product<T>(
  a: usize, aStride: usize, rows: i32, b: usize, bNext: usize, panels: i32, k: i32, c: usize, cStride: usize,
  scales: usize,
): void {
  const line: usize = sizeof<T>() * 16;
  let r = 0;
  for (; r + 4 <= rows; r += 4) {
    for (let j: usize = 0; j < <usize>panels; j++) {
      const panel = b + j * bNext;
      tile4<T>(a, aStride, panel, line, k, c + (j << 6), cStride, scales);
      tile4<T>(a, aStride, panel + (line >> 1), line, k, c + (j << 6) + 32, cStride, scales);
    }
    a += aStride << 2;
    c += cStride << 2;
    if (scales) scales += 16;
  }
  if (r + 2 <= rows) {
    for (let j: usize = 0; j < <usize>panels; j++) tile2<T>(a, aStride, b + j * bNext, k, c + (j << 6), cStride, scales);
    a += aStride << 1;
    c += cStride << 1;
    if (scales) scales += 8;
    r += 2;
  }
  if (r < rows) {
    for (let j: usize = 0; j < <usize>panels; j++) tile1<T>(a, b + j * bNext, k, c + (j << 6), scales);
  }
}
