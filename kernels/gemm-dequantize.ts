/**
 * Blocks of quantised panels (src/tensor/ops/layout.ts) to f32 panels of 16 columns as products read them, for both
 * products with a frozen matrix W: x · Wᵀ, whose columns are W's rows, and dy · W, whose columns are W's.
 *
 * Sixteen bytes of a panel are four rows × four columns. Those of four vectors are widened either where they stand
 * (lanes stay rows) or after a turn of 4 × 4 words, which makes them sixteen columns of each row.
 */
import {
  Held, PANEL, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK,
} from '../src/tensor/ops/layout-constants';
import { bytesS, bytesU, highNibbles, lane0, lane1, lane2, lane3, lowNibbles } from './matmul-dot';
import { loadHalf } from './matmul-half';
import { madd } from './simd';

/** Columns `at` to `at + depth` of `rows` rows: each panel of W becomes one of f32, [depth][16]. */
export function dequantizeRows(
  type: i32, w: usize, stride: usize, at: i32, depth: i32, rows: i32, to: usize, next: usize,
): void {
  for (; rows > 0; rows -= PANEL) {
    run(type, false, w, at, depth, to, 1024);
    w += stride;
    to += next;
  }
}

/** Columns `col` to `col + cols` of `rows` rows: sixteen columns become a panel of f32, [rows][16]. */
export function dequantizeColumns(
  type: i32, w: usize, stride: usize, col: i32, cols: i32, rows: i32, to: usize, next: usize,
): void {
  for (; rows > 0; rows -= PANEL) {
    run(type, true, w, col, cols, to, next);
    w += stride;
    to += PANEL * 64;
  }
}

/** Columns `col` to `col + cols` of the panel at w; results of 16 columns and of the next 16 are `next` bytes apart. */
function run(type: i32, turned: bool, w: usize, col: i32, cols: i32, to: usize, next: usize): void {
  const first = <usize>col >> 5;
  const end = <usize>(col + cols) >> 5;
  if (type == Held.q8_0) {
    if (turned) q8_0(true, w, first, end, to, next);
    else q8_0(false, w, first, end, to, next);
  } else if (type == Held.q4_0) {
    if (turned) q4_0(true, w, first, end, to, next);
    else q4_0(false, w, first, end, to, next);
  } else if (type == Held.q4_k) {
    if (turned) q4_k(true, w, first, end, to, next);
    else q4_k(false, w, first, end, to, next);
  } else {
    if (turned) q6_k(true, w, first, end, to, next);
    else q6_k(false, w, first, end, to, next);
  }
}

// Below, functions are inlined with a constant `turned`; blocks are of 32 columns. Four rows lie 16 bytes on where they are lanes, 256 else.

// @ts-ignore: decorator
@inline
function q8_0(turned: bool, panel: usize, block: usize, end: usize, to: usize, next: usize): void {
  for (; block < end; block++) {
    const w = panel + block * Q8_0_BLOCK;
    for (let g: usize = 0; g < 4; g++) {
      const scale = loadHalf(w + (g << 3));
      const out = to + (turned ? g << 8 : g << 4);
      let q = w + 32 + (g << 4);
      for (let half: usize = 0; half < 2; half++) {
        const v = v128.load(q);
        store16(turned, v, v128.load(q, 64), v128.load(q, 128), v128.load(q, 192), scale, out + half * next);
        q += 256;
      }
    }
    to += next << 1;
  }
}

// @ts-ignore: decorator
@inline
function q4_0(turned: bool, panel: usize, block: usize, end: usize, to: usize, next: usize): void {
  const offset = i8x16.splat(8);
  for (; block < end; block++) {
    const w = panel + block * Q4_0_BLOCK;
    for (let g: usize = 0; g < 4; g++) {
      const scale = loadHalf(w + (g << 3));
      const out = to + (turned ? g << 8 : g << 4);
      const q = w + 32 + (g << 4);
      const v0 = v128.load(q);
      const v1 = v128.load(q, 64);
      const v2 = v128.load(q, 128);
      const v3 = v128.load(q, 192);
      store16(
        turned, i8x16.sub(lowNibbles(v0), offset), i8x16.sub(lowNibbles(v1), offset),
        i8x16.sub(lowNibbles(v2), offset), i8x16.sub(lowNibbles(v3), offset), scale, out,
      );
      store16(
        turned, i8x16.sub(highNibbles(v0), offset), i8x16.sub(highNibbles(v1), offset),
        i8x16.sub(highNibbles(v2), offset), i8x16.sub(highNibbles(v3), offset), scale, out + next,
      );
    }
    to += next << 1;
  }
}

// @ts-ignore: decorator
@inline
function q4_k(turned: bool, panel: usize, block: usize, end: usize, to: usize, next: usize): void {
  for (; block < end; block++) {
    const w = panel + (block >> 3) * Q4_K_BLOCK;
    const sub = w + 64 + (block & 7) * 288;
    for (let g: usize = 0; g < 4; g++) {
      const scale = f32x4.mul(loadHalf(w + (g << 3)), f32x4.convert_i32x4_s(bytesU(sub + (g << 2))));
      const minimum = f32x4.mul(loadHalf(w + 32 + (g << 3)), f32x4.convert_i32x4_s(bytesU(sub + 16 + (g << 2))));
      const start = f32x4.neg(minimum);
      const out = to + (turned ? g << 8 : g << 4);
      const q = sub + 32 + (g << 4);
      const v0 = v128.load(q);
      const v1 = v128.load(q, 64);
      const v2 = v128.load(q, 128);
      const v3 = v128.load(q, 192);
      storeAbove(turned, lowNibbles(v0), lowNibbles(v1), lowNibbles(v2), lowNibbles(v3), scale, start, out);
      storeAbove(
        turned, highNibbles(v0), highNibbles(v1), highNibbles(v2), highNibbles(v3), scale, start, out + next,
      );
    }
    to += next << 1;
  }
}

// @ts-ignore: decorator
@inline
function q6_k(turned: bool, panel: usize, block: usize, end: usize, to: usize, next: usize): void {
  const two = i8x16.splat(0x30);
  const offset = i8x16.splat(32);
  for (; block < end; block++) {
    const w = panel + (block >> 3) * Q6_K_BLOCK;
    for (let g: usize = 0; g < 4; g++) {
      const d = loadHalf(w + (g << 3));
      const scales = w + 32 + ((block & 7) << 5) + (g << 2);
      const out = to + (turned ? g << 8 : g << 4);
      const q = w + 288 + (block & 7) * 384 + (g << 4);
      const v0 = v128.load(q);
      const v1 = v128.load(q, 64);
      const v2 = v128.load(q, 128);
      const v3 = v128.load(q, 192);
      const h0 = v128.load(q, 256);
      const h1 = v128.load(q, 320);
      store16(
        turned,
        i8x16.sub(v128.or(lowNibbles(v0), v128.and(i16x8.shl(h0, 4), two)), offset),
        i8x16.sub(v128.or(lowNibbles(v1), v128.and(h0, two)), offset),
        i8x16.sub(v128.or(lowNibbles(v2), v128.and(i16x8.shl(h1, 4), two)), offset),
        i8x16.sub(v128.or(lowNibbles(v3), v128.and(h1, two)), offset),
        f32x4.mul(d, f32x4.convert_i32x4_s(bytesS(scales))),
        out,
      );
      store16(
        turned,
        i8x16.sub(v128.or(highNibbles(v0), v128.and(i16x8.shl(h0, 2), two)), offset),
        i8x16.sub(v128.or(highNibbles(v1), v128.and(i16x8.shr_u(h0, 2), two)), offset),
        i8x16.sub(v128.or(highNibbles(v2), v128.and(i16x8.shl(h1, 2), two)), offset),
        i8x16.sub(v128.or(highNibbles(v3), v128.and(i16x8.shr_u(h1, 2), two)), offset),
        f32x4.mul(d, f32x4.convert_i32x4_s(bytesS(scales + 16))),
        out + next,
      );
    }
    to += next << 1;
  }
}

/** scale · v for four rows × 16 columns. */
// @ts-ignore: decorator
@inline
function store16(turned: bool, v0: v128, v1: v128, v2: v128, v3: v128, scale: v128, out: usize): void {
  values(turned, false, v0, v1, v2, v3, scale, scale, out);
}

/** scale · v + start. */
// @ts-ignore: decorator
@inline
function storeAbove(
  turned: bool, v0: v128, v1: v128, v2: v128, v3: v128, scale: v128, start: v128, out: usize,
): void {
  values(turned, true, v0, v1, v2, v3, scale, start, out);
}

// @ts-ignore: decorator
@inline
function values(
  turned: bool, above: bool, v0: v128, v1: v128, v2: v128, v3: v128, scale: v128, start: v128, out: usize,
): void {
  if (!turned) {
    fourColumns(above, v0, scale, start, out);
    fourColumns(above, v1, scale, start, out + 256);
    fourColumns(above, v2, scale, start, out + 512);
    fourColumns(above, v3, scale, start, out + 768);
    return;
  }
  const ab = i8x16.shuffle(v0, v1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd = i8x16.shuffle(v2, v3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ef = i8x16.shuffle(v0, v1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const gh = i8x16.shuffle(v2, v3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const r0 = i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  const r1 = i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  const r2 = i8x16.shuffle(ef, gh, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  const r3 = i8x16.shuffle(ef, gh, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  oneRow(above, r0, lane0(scale), lane0(start), out);
  oneRow(above, r1, lane1(scale), lane1(start), out + 64);
  oneRow(above, r2, lane2(scale), lane2(start), out + 128);
  oneRow(above, r3, lane3(scale), lane3(start), out + 192);
}

/** Four rows × four columns of bytes: lanes are rows, columns 64 bytes apart. */
// @ts-ignore: decorator
@inline
function fourColumns(above: bool, v: v128, scale: v128, start: v128, out: usize): void {
  v128.store(out, widened(above, i32x4.shr_s(i32x4.shl(v, 24), 24), scale, start));
  v128.store(out, widened(above, i32x4.shr_s(i32x4.shl(v, 16), 24), scale, start), 64);
  v128.store(out, widened(above, i32x4.shr_s(i32x4.shl(v, 8), 24), scale, start), 128);
  v128.store(out, widened(above, i32x4.shr_s(v, 24), scale, start), 192);
}

/** Sixteen columns of one row. */
// @ts-ignore: decorator
@inline
function oneRow(above: bool, v: v128, scale: v128, start: v128, out: usize): void {
  const low = i16x8.extend_low_i8x16_s(v);
  const high = i16x8.extend_high_i8x16_s(v);
  v128.store(out, widened(above, i32x4.extend_low_i16x8_s(low), scale, start));
  v128.store(out, widened(above, i32x4.extend_high_i16x8_s(low), scale, start), 16);
  v128.store(out, widened(above, i32x4.extend_low_i16x8_s(high), scale, start), 32);
  v128.store(out, widened(above, i32x4.extend_high_i16x8_s(high), scale, start), 48);
}

// @ts-ignore: decorator
@inline
function widened(above: bool, v: v128, scale: v128, start: v128): v128 {
  const value = f32x4.convert_i32x4_s(v);
  return above ? madd(value, scale, start) : f32x4.mul(value, scale);
}
