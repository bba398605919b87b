/**
 * Rows of f32, f16 or bf16 × f32 activations, y[t, r] += Σ_c w[r, c] · x[t, c]; lanes are columns.
 *
 * Columns are summed in runs of 1024, each added to y in turn. Within a run the order of additions is the same for one
 * token as for many, so a token's results do not depend on the tokens beside it.
 *
 * Several tokens: a run of 16 rows is packed into scratch as f32, four rows side by side, and passes under two tokens
 * at a time: 6 loads and 8 multiply-adds for 32 products. Registers: 8 sums, 4 of weights, 2 of x: 14. A group of four
 * rows (16 kB) stays in the first-level cache while a block of tokens passes, the block in the second.
 *
 * Up to three tokens read the rows where they lie, four at a time: 4 multiply-adds for 5 loads, halves widened on the
 * way. That is cheaper than packing them.
 */
import { Held, PANEL } from '../src/tensor/ops/layout-constants';
import { loadHalf } from './matmul-half';
import { addRows } from './matmul-rows';
import { loadBF16, loadF16, madd } from './simd';

const COLUMNS: i32 = 1024;
const TOKENS: i32 = 64;
const FEW: i32 = 3;
/** Scratch: room for odd ends, then the packed run. */
const PACKED: usize = 64;

/** `cols` columns of rows that are `stride` bytes apart × tokens `xStride` bytes apart. */
export function floatRows(
  type: i32, w: usize, stride: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  for (; rows > 0; rows -= PANEL) {
    floatPanel(type, w, stride, x, xStride, y, yStride, tokens, min(rows, PANEL), cols, scratch);
    w += <usize>PANEL * stride;
    y += PANEL << 2;
  }
}

function floatPanel(
  type: i32, w: usize, stride: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const shift: usize = type == Held.f32 ? 2 : 1;
  for (let col = 0; col < cols; col += COLUMNS) {
    const run = min(COLUMNS, cols - col);
    const wRun = w + (<usize>col << shift);
    const xRun = x + (<usize>col << 2);
    if (tokens > FEW) {
      packedRun(type, wRun, stride, xRun, xStride, y, yStride, tokens, rows, run, scratch);
      continue;
    }
    for (let t: usize = 0; t < <usize>tokens; t++) {
      oneToken(type, wRun, stride, xRun + t * xStride, y + t * yStride, rows, run, scratch);
    }
  }
}

function packedRun(
  type: i32, w: usize, stride: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, run: i32, scratch: usize,
): void {
  const group = <usize>((run + 3) & ~3) << 4;
  for (let row: usize = 0; row < <usize>rows; row++) {
    pack(type, w + row * stride, scratch + PACKED + (row >> 2) * group + ((row & 3) << 4), run, scratch);
  }
  for (let from = 0; from < tokens; from += TOKENS) {
    const n = min(TOKENS, tokens - from);
    const xt = x + <usize>from * xStride;
    const yt = y + <usize>from * yStride;
    for (let row = 0; row < rows; row += 4) {
      const wr = scratch + PACKED + <usize>(row >> 2) * group;
      const yr = yt + (<usize>row << 2);
      let t: usize = 0;
      for (; t + 2 <= <usize>n; t += 2) {
        two(wr, xt + t * xStride, xStride, yr + t * yStride, yStride, rows - row, run, scratch);
      }
      if (t < <usize>n) one(wr, xt + t * xStride, xStride, yr + t * yStride, yStride, rows - row, run, scratch);
    }
  }
}

/** A row to f32, four columns every 64 bytes. `spare` is 16 bytes for an odd end, which may be the end of memory. */
function pack(type: i32, w: usize, to: usize, cols: i32, spare: usize): void {
  const size: usize = type == Held.f32 ? 4 : 2;
  for (; cols >= 4; cols -= 4) {
    v128.store(to, four(type, w));
    w += size << 2;
    to += 64;
  }
  if (cols == 0) return;
  memory.copy(spare, w, <usize>cols * size);
  v128.store(to, four(type, spare));
}

// @ts-ignore: decorator
@inline
function four(type: i32, p: usize): v128 {
  if (type == Held.f32) return v128.load(p);
  return type == Held.f16 ? loadHalf(p) : loadBF16(p);
}

function two(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, cols: i32, spare: usize,
): void {
  tile(true, w, x, xStride, y, yStride, rows, cols, spare);
}

function one(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, cols: i32, spare: usize,
): void {
  tile(false, w, x, xStride, y, yStride, rows, cols, spare);
}

/** Inlined with a constant `pair`: two tokens, or one. */
// @ts-ignore: decorator
@inline
function tile(
  pair: bool, w: usize, x0: usize, xStride: usize, y: usize, yStride: usize, rows: i32, cols: i32, spare: usize,
): void {
  let x1 = x0 + xStride;
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  for (const end = x0 + (<usize>(cols & ~3) << 2); x0 != end; ) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const w2 = v128.load(w, 32);
    const w3 = v128.load(w, 48);
    const xa = v128.load(x0);
    a0 = madd(w0, xa, a0);
    a1 = madd(w1, xa, a1);
    a2 = madd(w2, xa, a2);
    a3 = madd(w3, xa, a3);
    if (pair) {
      const xb = v128.load(x1);
      b0 = madd(w0, xb, b0);
      b1 = madd(w1, xb, b1);
      b2 = madd(w2, xb, b2);
      b3 = madd(w3, xb, b3);
      x1 += 16;
    }
    w += 64;
    x0 += 16;
  }
  let a = sums(a0, a1, a2, a3);
  let b = pair ? sums(b0, b1, b2, b3) : a;
  for (let c: usize = 0; c < <usize>(cols & 3) << 2; c += 4) {
    const v = gather(spare, load<f32>(w + c), load<f32>(w + c, 16), load<f32>(w + c, 32), load<f32>(w + c, 48));
    a = madd(v, v128.load32_splat(x0 + c), a);
    if (pair) b = madd(v, v128.load32_splat(x1 + c), b);
  }
  addRows(y, a, rows);
  if (pair) addRows(y + yStride, b, rows);
}

// @ts-ignore: decorator
@inline
function gather(spare: usize, a: f32, b: f32, c: f32, d: f32): v128 {
  store<f32>(spare, a);
  store<f32>(spare, b, 4);
  store<f32>(spare, c, 8);
  store<f32>(spare, d, 12);
  return v128.load(spare);
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

/** All rows × one token. */
function oneToken(
  type: i32, w: usize, stride: usize, x: usize, y: usize, rows: i32, cols: i32, spare: usize,
): void {
  for (; rows > 0; rows -= 4) {
    if (type == Held.f32) f32Rows(w, stride, x, y, rows, cols, spare);
    else if (type == Held.f16) f16Rows(w, stride, x, y, rows, cols, spare);
    else bf16Rows(w, stride, x, y, rows, cols, spare);
    w += stride << 2;
    y += 16;
  }
}

function f32Rows(w: usize, stride: usize, x: usize, y: usize, rows: i32, cols: i32, spare: usize): void {
  fourRows(Held.f32, w, stride, x, y, rows, cols, spare);
}

function f16Rows(w: usize, stride: usize, x: usize, y: usize, rows: i32, cols: i32, spare: usize): void {
  fourRows(Held.f16, w, stride, x, y, rows, cols, spare);
}

function bf16Rows(w: usize, stride: usize, x: usize, y: usize, rows: i32, cols: i32, spare: usize): void {
  fourRows(Held.bf16, w, stride, x, y, rows, cols, spare);
}

/** Inlined with a constant type. */
// @ts-ignore: decorator
@inline
function fourRows(
  type: i32, w0: usize, stride: usize, x: usize, y: usize, rows: i32, cols: i32, spare: usize,
): void {
  const shift: usize = type == Held.f32 ? 2 : 1;
  // Missing rows repeat the last one; addRows drops them.
  const w1 = rows > 1 ? w0 + stride : w0;
  const w2 = rows > 2 ? w1 + stride : w1;
  const w3 = rows > 3 ? w2 + stride : w2;
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  const end = <usize>(cols & ~3) << shift;
  let i: usize = 0;
  for (; i != end; i += <usize>4 << shift) {
    const v = v128.load(x + (i << (2 - shift)));
    a0 = madd(widen(type, w0 + i), v, a0);
    a1 = madd(widen(type, w1 + i), v, a1);
    a2 = madd(widen(type, w2 + i), v, a2);
    a3 = madd(widen(type, w3 + i), v, a3);
  }
  let a = sums(a0, a1, a2, a3);
  for (const all = <usize>cols << shift; i < all; i += <usize>1 << shift) {
    const v = gather(
      spare,
      scalar(type, w0 + i, spare),
      scalar(type, w1 + i, spare),
      scalar(type, w2 + i, spare),
      scalar(type, w3 + i, spare),
    );
    a = madd(v, v128.load32_splat(x + (i << (2 - shift))), a);
  }
  addRows(y, a, rows);
}

/** Weights are rarely so small that a subnormal intermediate (loadF16) costs more than avoiding it. */
// @ts-ignore: decorator
@inline
function widen(type: i32, p: usize): v128 {
  if (type == Held.f32) return v128.load(p);
  return type == Held.f16 ? loadF16(p) : loadBF16(p);
}

// @ts-ignore: decorator
@inline
function scalar(type: i32, p: usize, spare: usize): f32 {
  if (type == Held.f32) return load<f32>(p);
  store<u64>(spare, load<u16>(p));
  return f32x4.extract_lane(widen(type, spare), 0);
}
