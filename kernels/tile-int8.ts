/**
 * The two products of decoding over the 8-bit cache (kv-int8.ts). Scores are integer products with queries quantised
 * to 8 bits, exact within a block of 32 dimensions; values are widened to f32 and multiplied by weights that carry the
 * position's scale. Both read the cache once for up to four rows, and a sum does not depend on the rows beside it.
 */
import { KV_BLOCK, KV_PANEL } from '../src/tensor/ops/kv-constants';
import { Q8_0_BLOCK, X16_BLOCK, X_SCALE } from '../src/tensor/ops/layout-constants';
import { decodeQ8_0 } from './matmul-decode-q8_0';
import { dot16, joinRows } from './matmul-dot';
import { loadHalf } from './matmul-half';
import { madd } from './simd';

/** c[rows][16 · panels] = queries (16-bit activation blocks, [rows][blocks]) · keys. A row of c has 64 bytes to spare. */
export function scores8(
  q: usize, rows: i32, keys: usize, panels: i32, blocks: i32, c: usize, cStride: usize,
): void {
  const qStride = <usize>blocks * X16_BLOCK;
  const bytes = <usize>blocks * Q8_0_BLOCK;
  for (let j: usize = 0; j < <usize>panels; j++) {
    let x = q;
    let to = c + (j << 6);
    let r = rows;
    for (; r > 2; r -= 4) {
      // The last row stands in for a fourth.
      const last = r > 3 ? qStride * 3 : qStride * 2;
      const lastC = r > 3 ? cStride * 3 : cStride * 2;
      fourRows(keys, x, x + qStride, x + qStride * 2, x + last, blocks, to, to + cStride, to + cStride * 2, to + lastC);
      x += qStride << 2;
      to += cStride << 2;
    }
    if (r == 2) twoRows(keys, x, x + qStride, blocks, to, to + cStride);
    else if (r == 1) decodeQ8_0(keys, x, blocks, to);
    keys += bytes;
  }
}

/** 16 sums: V8 calls a function to fill memory, which takes longer than this. */
// @ts-ignore: decorator
@inline
function clear(c: usize): void {
  const zero = i32x4.splat(0);
  v128.store(c, zero);
  v128.store(c, zero, 16);
  v128.store(c, zero, 32);
  v128.store(c, zero, 48);
}

function twoRows(w: usize, x0: usize, x1: usize, blocks: i32, c0: usize, c1: usize): void {
  clear(c0);
  clear(c1);
  for (; blocks > 0; blocks--) {
    for (let g: usize = 0; g < 4; g++) {
      let q = w + 32 + (g << 4);
      let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
      for (let i: usize = 0; i < 64; i += 8) {
        const v = v128.load(q);
        const low = i16x8.extend_low_i8x16_s(v);
        const high = i16x8.extend_high_i8x16_s(v);
        let x = v128.load64_splat(x0 + i);
        a0 = dot16(a0, low, x);
        b0 = dot16(b0, high, x);
        x = v128.load64_splat(x1 + i);
        a1 = dot16(a1, low, x);
        b1 = dot16(b1, high, x);
        q += 64;
      }
      const scales = loadHalf(w + (g << 3));
      addScaled(a0, b0, scales, x0, c0 + (g << 4));
      addScaled(a1, b1, scales, x1, c1 + (g << 4));
    }
    w += Q8_0_BLOCK;
    x0 += X16_BLOCK;
    x1 += X16_BLOCK;
  }
}

function fourRows(
  w: usize, x0: usize, x1: usize, x2: usize, x3: usize, blocks: i32, c0: usize, c1: usize, c2: usize, c3: usize,
): void {
  clear(c0);
  clear(c1);
  clear(c2);
  clear(c3);
  for (; blocks > 0; blocks--) {
    for (let g: usize = 0; g < 4; g++) {
      let q = w + 32 + (g << 4);
      let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      for (let i: usize = 0; i < 64; i += 8) {
        const v = v128.load(q);
        const low = i16x8.extend_low_i8x16_s(v);
        const high = i16x8.extend_high_i8x16_s(v);
        let x = v128.load64_splat(x0 + i);
        a0 = dot16(a0, low, x);
        b0 = dot16(b0, high, x);
        x = v128.load64_splat(x1 + i);
        a1 = dot16(a1, low, x);
        b1 = dot16(b1, high, x);
        x = v128.load64_splat(x2 + i);
        a2 = dot16(a2, low, x);
        b2 = dot16(b2, high, x);
        x = v128.load64_splat(x3 + i);
        a3 = dot16(a3, low, x);
        b3 = dot16(b3, high, x);
        q += 64;
      }
      const scales = loadHalf(w + (g << 3));
      addScaled(a0, b0, scales, x0, c0 + (g << 4));
      addScaled(a1, b1, scales, x1, c1 + (g << 4));
      addScaled(a2, b2, scales, x2, c2 + (g << 4));
      if (c3 != c2) addScaled(a3, b3, scales, x3, c3 + (g << 4));
    }
    w += Q8_0_BLOCK;
    x0 += X16_BLOCK;
    x1 += X16_BLOCK;
    x2 += X16_BLOCK;
    x3 += X16_BLOCK;
  }
}

// @ts-ignore: decorator
@inline
function addScaled(a: v128, b: v128, scales: v128, x: usize, c: usize): void {
  const unit = v128.load32_splat(x, 64 + X_SCALE);
  v128.store(c, madd(f32x4.convert_i32x4_s(joinRows(a, b)), f32x4.mul(scales, unit), v128.load(c)));
}

/**
 * c[rows][32 · blocks] = weights a [rows][k] · values, whose blocks lie `bNext` bytes apart; `more`: added to c. Scratch: four rows of a in
 * whole vectors of 16.
 */
export function weighted8(
  a: usize, aStride: usize, rows: i32, b: usize, bNext: usize, blocks: i32, k: i32, c: usize, cStride: usize,
  more: bool, scratch: usize,
): void {
  for (let j = 0; j < blocks; j++) {
    let from = a;
    let to = c;
    for (let r = rows; r > 0; r -= 4) {
      const n = min(4, r);
      scaleWeights(from, aStride, n, b, k, scratch, aStride);
      if (n == 1) {
        weighted1(scratch, b, k, to, more);
      } else if (n == 2) {
        weighted2(scratch, aStride, b, k, to, cStride, more);
        weighted2(scratch, aStride, b + 16, k, to + 64, cStride, more);
      } else {
        const last = n > 3 ? aStride : 0;
        const lastC = n > 3 ? cStride : 0;
        for (let d: usize = 0; d < 32; d += 8) {
          weighted4(scratch, aStride, last, b + d, k, to + (d << 2), cStride, lastC, more);
        }
      }
      from += aStride << 2;
      to += cStride << 2;
    }
    b += bNext;
    c += 128;
  }
}

/** out[rows][k] = a · the positions' scales. */
function scaleWeights(a: usize, aStride: usize, rows: i32, b: usize, k: i32, out: usize, outStride: usize): void {
  for (let i = 0; i < k; i += 4) {
    const scales = loadHalf(b + <usize>(i / KV_PANEL) * Q8_0_BLOCK + (<usize>(i & (KV_PANEL - 1)) << 1));
    const at = <usize>i << 2;
    for (let r: usize = 0; r < <usize>rows; r++) {
      v128.store(out + r * outStride + at, f32x4.mul(v128.load(a + r * aStride + at), scales));
    }
  }
}

/** One row, 32 dimensions. */
function weighted1(a: usize, b: usize, k: i32, c: usize, more: bool): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, x4 = x0, x5 = x0, x6 = x0, x7 = x0;
  if (more) {
    x0 = v128.load(c);
    x1 = v128.load(c, 16);
    x2 = v128.load(c, 32);
    x3 = v128.load(c, 48);
    x4 = v128.load(c, 64);
    x5 = v128.load(c, 80);
    x6 = v128.load(c, 96);
    x7 = v128.load(c, 112);
  }
  for (; k > 0; k -= KV_PANEL) {
    let q = b + 32;
    for (const end = q + <usize>min(k, KV_PANEL) * KV_BLOCK; q < end; q += KV_BLOCK) {
      const p = v128.load32_splat(a);
      let v = v128.load8x8_s(q);
      x0 = madd(p, low(v), x0);
      x1 = madd(p, high(v), x1);
      v = v128.load8x8_s(q, 8);
      x2 = madd(p, low(v), x2);
      x3 = madd(p, high(v), x3);
      v = v128.load8x8_s(q, 16);
      x4 = madd(p, low(v), x4);
      x5 = madd(p, high(v), x5);
      v = v128.load8x8_s(q, 24);
      x6 = madd(p, low(v), x6);
      x7 = madd(p, high(v), x7);
      a += 4;
    }
    b += Q8_0_BLOCK;
  }
  v128.store(c, x0);
  v128.store(c, x1, 16);
  v128.store(c, x2, 32);
  v128.store(c, x3, 48);
  v128.store(c, x4, 64);
  v128.store(c, x5, 80);
  v128.store(c, x6, 96);
  v128.store(c, x7, 112);
}

/** Two rows, 16 dimensions. */
function weighted2(a: usize, aStride: usize, b: usize, k: i32, c: usize, cStride: usize, more: bool): void {
  let x00 = f32x4.splat(0), x01 = x00, x02 = x00, x03 = x00, x10 = x00, x11 = x00, x12 = x00, x13 = x00;
  if (more) {
    const c1 = c + cStride;
    x00 = v128.load(c);
    x01 = v128.load(c, 16);
    x02 = v128.load(c, 32);
    x03 = v128.load(c, 48);
    x10 = v128.load(c1);
    x11 = v128.load(c1, 16);
    x12 = v128.load(c1, 32);
    x13 = v128.load(c1, 48);
  }
  for (; k > 0; k -= KV_PANEL) {
    let q = b + 32;
    for (const end = q + <usize>min(k, KV_PANEL) * KV_BLOCK; q < end; q += KV_BLOCK) {
      const p0 = v128.load32_splat(a);
      const p1 = v128.load32_splat(a + aStride);
      let v = v128.load8x8_s(q);
      let f = low(v);
      x00 = madd(p0, f, x00);
      x10 = madd(p1, f, x10);
      f = high(v);
      x01 = madd(p0, f, x01);
      x11 = madd(p1, f, x11);
      v = v128.load8x8_s(q, 8);
      f = low(v);
      x02 = madd(p0, f, x02);
      x12 = madd(p1, f, x12);
      f = high(v);
      x03 = madd(p0, f, x03);
      x13 = madd(p1, f, x13);
      a += 4;
    }
    b += Q8_0_BLOCK;
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

/** Four rows, 8 dimensions; the fourth lies `last` (in c `lastC`) bytes after the third. */
function weighted4(
  a: usize, aStride: usize, last: usize, b: usize, k: i32, c: usize, cStride: usize, lastC: usize, more: bool,
): void {
  let a1 = a + aStride;
  let a2 = a1 + aStride;
  let a3 = a2 + last;
  let x00 = f32x4.splat(0), x01 = x00, x10 = x00, x11 = x00, x20 = x00, x21 = x00, x30 = x00, x31 = x00;
  if (more) {
    const c1 = c + cStride;
    const c2 = c1 + cStride;
    const c3 = c2 + lastC;
    x00 = v128.load(c);
    x01 = v128.load(c, 16);
    x10 = v128.load(c1);
    x11 = v128.load(c1, 16);
    x20 = v128.load(c2);
    x21 = v128.load(c2, 16);
    x30 = v128.load(c3);
    x31 = v128.load(c3, 16);
  }
  for (; k > 0; k -= KV_PANEL) {
    let q = b + 32;
    for (const end = q + <usize>min(k, KV_PANEL) * KV_BLOCK; q < end; q += KV_BLOCK) {
      const v = v128.load8x8_s(q);
      const f0 = low(v);
      const f1 = high(v);
      let p = v128.load32_splat(a);
      x00 = madd(p, f0, x00);
      x01 = madd(p, f1, x01);
      p = v128.load32_splat(a1);
      x10 = madd(p, f0, x10);
      x11 = madd(p, f1, x11);
      p = v128.load32_splat(a2);
      x20 = madd(p, f0, x20);
      x21 = madd(p, f1, x21);
      p = v128.load32_splat(a3);
      x30 = madd(p, f0, x30);
      x31 = madd(p, f1, x31);
      a += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    b += Q8_0_BLOCK;
  }
  v128.store(c, x00);
  v128.store(c, x01, 16);
  c += cStride;
  v128.store(c, x10);
  v128.store(c, x11, 16);
  c += cStride;
  v128.store(c, x20);
  v128.store(c, x21, 16);
  c += lastC;
  v128.store(c, x30);
  v128.store(c, x31, 16);
}

// @ts-ignore: decorator
@inline
function low(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v));
}

// @ts-ignore: decorator
@inline
function high(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(v));
}
