/**
 * A panel of 16 rows of f32, f16 or bf16 × f32 activations. Lanes are columns. Tiles of 4 rows × 3 tokens: 7 loads
 * and 12 multiply-adds for 48 products; registers: 12 accumulators, 3 of x, 1 of weights: 16. Runs of columns
 * keep weights (64 kB) and activations (12 kB) in cache. Half types are widened into scratch run by run, except for a
 * single token, which widens as it multiplies: 5 operations for 4 products.
 */
import { Held } from '../src/tensor/ops/layout-constants';
import { addRows } from './matmul-rows';
import { loadHalf } from './matmul-half';
import { loadBF16, loadF16, madd } from './simd';

const COLUMNS: i32 = 1024;

export function floatPanel(
  type: i32, w: usize, x: usize, y: usize, yStride: usize, tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const xStride = <usize>cols << 2;
  if (type != Held.f32 && tokens == 1) {
    halfRows(type, w, x, y, rows, cols, scratch);
    return;
  }
  const shift: usize = type == Held.f32 ? 2 : 1;
  const wStride = <usize>cols << shift;
  for (let col = 0; col < cols; col += COLUMNS) {
    const run = min(COLUMNS, cols - col);
    const wRun = w + (<usize>col << shift);
    const xRun = x + (<usize>col << 2);
    if (type == Held.f32) {
      panel(wRun, wStride, xRun, xStride, y, yStride, tokens, rows, run, scratch);
    } else {
      for (let r: usize = 0; r < <usize>rows; r++) {
        widen(type, wRun + r * wStride, scratch + 256 + r * (COLUMNS << 2), run, scratch);
      }
      panel(scratch + 256, COLUMNS << 2, xRun, xStride, y, yStride, tokens, rows, run, scratch);
    }
  }
}

function panel(
  w: usize, wStride: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  for (; tokens > 0; tokens -= 3) {
    for (let row = 0; row < rows; row += 4) {
      const wr = w + <usize>row * wStride;
      const yr = y + (<usize>row << 2);
      const n = rows - row;
      if (tokens >= 3) three(wr, wStride, x, xStride, yr, yStride, n, cols, scratch);
      else if (tokens == 2) two(wr, wStride, x, xStride, yr, yStride, n, cols, scratch);
      else one(wr, wStride, x, xStride, yr, yStride, n, cols, scratch);
    }
    x += 3 * xStride;
    y += 3 * yStride;
  }
}

function three(
  w: usize, wStride: usize, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, cols: i32, scratch: usize,
): void {
  tile(3, w, wStride, x, xStride, y, yStride, rows, cols, scratch);
}

function two(
  w: usize, wStride: usize, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, cols: i32, scratch: usize,
): void {
  tile(2, w, wStride, x, xStride, y, yStride, rows, cols, scratch);
}

function one(
  w: usize, wStride: usize, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, cols: i32, scratch: usize,
): void {
  tile(1, w, wStride, x, xStride, y, yStride, rows, cols, scratch);
}

/** Inlined with a constant number of tokens. */
// @ts-ignore: decorator
@inline
function tile(
  tokens: i32, w0: usize, wStride: usize, x0: usize, xStride: usize, y: usize, yStride: usize,
  rows: i32, cols: i32, scratch: usize,
): void {
  // Missing rows repeat the last one; addRows drops them.
  const w1 = rows > 1 ? w0 + wStride : w0;
  const w2 = rows > 2 ? w1 + wStride : w1;
  const w3 = rows > 3 ? w2 + wStride : w2;
  const x1 = x0 + xStride;
  const x2 = x1 + xStride;
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0), c2 = f32x4.splat(0), c3 = f32x4.splat(0);
  const end = <usize>(cols & ~3) << 2;
  for (let i: usize = 0; i != end; i += 16) {
    const xa = v128.load(x0 + i);
    const xb = tokens > 1 ? v128.load(x1 + i) : xa;
    const xc = tokens > 2 ? v128.load(x2 + i) : xa;
    let v = v128.load(w0 + i);
    a0 = madd(v, xa, a0);
    if (tokens > 1) b0 = madd(v, xb, b0);
    if (tokens > 2) c0 = madd(v, xc, c0);
    v = v128.load(w1 + i);
    a1 = madd(v, xa, a1);
    if (tokens > 1) b1 = madd(v, xb, b1);
    if (tokens > 2) c1 = madd(v, xc, c1);
    v = v128.load(w2 + i);
    a2 = madd(v, xa, a2);
    if (tokens > 1) b2 = madd(v, xb, b2);
    if (tokens > 2) c2 = madd(v, xc, c2);
    v = v128.load(w3 + i);
    a3 = madd(v, xa, a3);
    if (tokens > 1) b3 = madd(v, xb, b3);
    if (tokens > 2) c3 = madd(v, xc, c3);
  }
  let a = sums(a0, a1, a2, a3);
  let b = tokens > 1 ? sums(b0, b1, b2, b3) : a;
  let c = tokens > 2 ? sums(c0, c1, c2, c3) : a;
  for (let i = end; i < <usize>cols << 2; i += 4) {
    store<f32>(scratch, load<f32>(w0 + i));
    store<f32>(scratch, load<f32>(w1 + i), 4);
    store<f32>(scratch, load<f32>(w2 + i), 8);
    store<f32>(scratch, load<f32>(w3 + i), 12);
    const v = v128.load(scratch);
    a = madd(v, v128.load32_splat(x0 + i), a);
    if (tokens > 1) b = madd(v, v128.load32_splat(x1 + i), b);
    if (tokens > 2) c = madd(v, v128.load32_splat(x2 + i), c);
  }
  addRows(y, a, rows);
  if (tokens > 1) addRows(y + yStride, b, rows);
  if (tokens > 2) addRows(y + 2 * yStride, c, rows);
}

/** Four vectors to one of their sums. */
// @ts-ignore: decorator
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
  const cd = f32x4.add(
    i8x16.shuffle(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
  return f32x4.add(
    i8x16.shuffle(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
    i8x16.shuffle(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31),
  );
}

/** One row to f32. `spare` is 16 bytes for the end of an odd row, which may be the end of memory. */
function widen(type: i32, w: usize, out: usize, cols: i32, spare: usize): void {
  for (; cols >= 4; cols -= 4) {
    v128.store(out, type == Held.f16 ? loadHalf(w) : loadBF16(w));
    w += 8;
    out += 16;
  }
  if (cols == 0) return;
  memory.copy(spare, w, <usize>cols << 1);
  v128.store(spare, type == Held.f16 ? loadHalf(spare) : loadBF16(spare));
  memory.copy(out, spare, <usize>cols << 2);
}

/** All rows of a panel × one token, four at a time. */
function halfRows(type: i32, w: usize, x: usize, y: usize, rows: i32, cols: i32, scratch: usize): void {
  const stride = <usize>cols << 1;
  for (; rows > 0; rows -= 4) {
    if (type == Held.f16) halfRowsOf(Held.f16, w, stride, x, y, rows, cols, scratch);
    else halfRowsOf(Held.bf16, w, stride, x, y, rows, cols, scratch);
    w += stride << 2;
    y += 16;
  }
}

// @ts-ignore: decorator
@inline
function halfRowsOf(
  type: i32, w0: usize, stride: usize, x: usize, y: usize, rows: i32, cols: i32, scratch: usize,
): void {
  const w1 = rows > 1 ? w0 + stride : w0;
  const w2 = rows > 2 ? w1 + stride : w1;
  const w3 = rows > 3 ? w2 + stride : w2;
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  const end = <usize>(cols & ~3) << 1;
  let i: usize = 0;
  for (; i != end; i += 8) {
    const v = v128.load(x + (i << 1));
    a0 = madd(half(type, w0 + i), v, a0);
    a1 = madd(half(type, w1 + i), v, a1);
    a2 = madd(half(type, w2 + i), v, a2);
    a3 = madd(half(type, w3 + i), v, a3);
  }
  let a = sums(a0, a1, a2, a3);
  for (; i < stride; i += 2) {
    store<u16>(scratch, load<u16>(w0 + i));
    store<u16>(scratch, load<u16>(w1 + i), 2);
    store<u16>(scratch, load<u16>(w2 + i), 4);
    store<u16>(scratch, load<u16>(w3 + i), 6);
    a = madd(half(type, scratch), v128.load32_splat(x + (i << 1)), a);
  }
  addRows(y, a, rows);
}

// @ts-ignore: decorator
@inline
function half(type: i32, p: usize): v128 {
  return type == Held.f16 ? loadF16(p) : loadBF16(p);
}
