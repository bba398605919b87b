/** Blocks of a matrix as a product's tiles read them: values of one k side by side. */
import { CopyArgs, Native, PackArgs } from '../src/tensor/native/kernels';
import { Held, PANEL } from '../src/tensor/ops/layout-constants';
import { loadHalf } from './matmul-half';
import { callNative, hasNative, setArg } from './native';
import { loadBF16 } from './simd';

/** `depth` rows of `count` floats, `line` bytes apart at `to`. */
export function copyColumns(
  a: usize, stride: usize, depth: i32, count: i32, to: usize, line: usize, scratch: usize,
): void {
  if (hasNative(Native.copyF32)) {
    const done = nativeCopy(Native.copyF32, a, stride, depth, count, to, line, 64, scratch);
    if (done == count) return;
    a += <usize>done << 2;
    to += <usize>done << 2;
    count -= done;
  }
  const even = <usize>(count & ~3) << 2;
  const end = <usize>count << 2;
  for (let s = 0; s < depth; s++) {
    let i: usize = 0;
    for (; i < even; i += 16) v128.store(to + i, v128.load(a + i));
    for (; i < end; i += 4) store<f32>(to + i, load<f32>(a + i));
    a += stride;
    to += line;
  }
}

/** [depth, cols] of f32, f16 or bf16 to panels [depth][16] that are `next` bytes apart. */
export function packColumns(
  type: i32, b: usize, stride: usize, depth: i32, cols: i32, to: usize, next: usize, scratch: usize,
): void {
  const kernel = type == Held.f32 ? Native.copyF32 : type == Held.f16 ? Native.copyF16 : Native.copyBF16;
  if (hasNative(kernel)) {
    const done = nativeCopy(kernel, b, stride, depth, cols, to, 64, next, scratch);
    if (done == cols) return;
    b += <usize>done << (type == Held.f32 ? 2 : 1);
    to += <usize>(done / PANEL) * next;
    cols -= done;
  }
  if (type == Held.f32) columnsOf(Held.f32, b, stride, depth, cols, to, next);
  else if (type == Held.f16) columnsOf(Held.f16, b, stride, depth, cols, to, next);
  else columnsOf(Held.bf16, b, stride, depth, cols, to, next);
}

/** Whole blocks of 16 columns; returns how many columns those are. */
function nativeCopy(
  kernel: i32, from: usize, stride: usize, rows: i32, cols: i32, to: usize, line: usize, next: usize, scratch: usize,
): i32 {
  const blocks = cols / PANEL;
  if (blocks == 0) return 0;
  setArg(scratch, CopyArgs.from, from);
  setArg(scratch, CopyArgs.stride, stride);
  setArg(scratch, CopyArgs.rows, rows);
  setArg(scratch, CopyArgs.blocks, blocks);
  setArg(scratch, CopyArgs.to, to);
  setArg(scratch, CopyArgs.line, line);
  setArg(scratch, CopyArgs.next, next);
  callNative(kernel, scratch);
  return blocks * PANEL;
}

// @ts-ignore: decorator
@inline
function columnsOf(type: i32, b: usize, stride: usize, depth: i32, cols: i32, to: usize, next: usize): void {
  const shift: usize = type == Held.f32 ? 2 : 1;
  for (let s = 0; s < depth; s++) {
    let at = to;
    let i: i32 = 0;
    for (; i + PANEL <= cols; i += PANEL) {
      const from = b + (<usize>i << shift);
      v128.store(at, four(type, from));
      v128.store(at, four(type, from + (4 << shift)), 16);
      v128.store(at, four(type, from + (8 << shift)), 32);
      v128.store(at, four(type, from + (12 << shift)), 48);
      at += next;
    }
    for (; i < cols; i++) {
      store<f32>(at, one(type, b + (<usize>i << shift)));
      at += 4;
    }
    b += stride;
    to += PANEL << 2;
  }
}

/** [rows, depth] of f32, f16 or bf16 to panels of 16 rows, [depth][16], that are `next` bytes apart. */
export function packRows(
  type: i32, b: usize, stride: usize, rows: i32, depth: i32, to: usize, next: usize, scratch: usize,
): void {
  const kernel = type == Held.f32 ? Native.packF32 : type == Held.f16 ? Native.packF16 : Native.packBF16;
  const shift: usize = type == Held.f32 ? 2 : 1;
  const even = depth & ~15;
  let row = 0;
  if (even > 0 && hasNative(kernel)) {
    for (; row + PANEL <= rows; row += PANEL) {
      const from = b + <usize>row * stride;
      setArg(scratch, PackArgs.weights, from);
      setArg(scratch, PackArgs.rowBytes, stride);
      setArg(scratch, PackArgs.panels, 1);
      setArg(scratch, PackArgs.columns, even);
      setArg(scratch, PackArgs.to, to);
      callNative(kernel, scratch);
      if (even < depth) rowsOf(type, from + (<usize>even << shift), stride, PANEL, depth - even, to + (<usize>even << 6));
      to += next;
    }
  }
  for (; row < rows; row += PANEL) {
    rowsOf(type, b + <usize>row * stride, stride, min(PANEL, rows - row), depth, to);
    to += next;
  }
}

function rowsOf(type: i32, b: usize, stride: usize, rows: i32, depth: i32, to: usize): void {
  if (type == Held.f32) panelOf(Held.f32, b, stride, rows, depth, to);
  else if (type == Held.f16) panelOf(Held.f16, b, stride, rows, depth, to);
  else panelOf(Held.bf16, b, stride, rows, depth, to);
}

/** One panel of at most 16 rows; rows that are missing repeat the last of four, and are nobody's. */
// @ts-ignore: decorator
@inline
function panelOf(type: i32, b0: usize, stride: usize, rows: i32, depth: i32, to: usize): void {
  const shift: usize = type == Held.f32 ? 2 : 1;
  for (; rows > 0; rows -= 4) {
    const b1 = rows > 1 ? b0 + stride : b0;
    const b2 = rows > 2 ? b1 + stride : b1;
    const b3 = rows > 3 ? b2 + stride : b2;
    let at = to;
    let s: i32 = 0;
    for (; s + 4 <= depth; s += 4) {
      const i = <usize>s << shift;
      const a = four(type, b0 + i);
      const b = four(type, b1 + i);
      const c = four(type, b2 + i);
      const d = four(type, b3 + i);
      const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const cd = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const ef = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      const gh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      v128.store(at, i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      v128.store(at, i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 64);
      v128.store(at, i8x16.shuffle(ef, gh, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 128);
      v128.store(at, i8x16.shuffle(ef, gh, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 192);
      at += 256;
    }
    for (; s < depth; s++) {
      const i = <usize>s << shift;
      store<f32>(at, one(type, b0 + i));
      store<f32>(at, one(type, b1 + i), 4);
      store<f32>(at, one(type, b2 + i), 8);
      store<f32>(at, one(type, b3 + i), 12);
      at += 64;
    }
    b0 += stride << 2;
    to += 16;
  }
}

// @ts-ignore: decorator
@inline
function four(type: i32, p: usize): v128 {
  if (type == Held.f32) return v128.load(p);
  return type == Held.f16 ? loadHalf(p) : loadBF16(p);
}

// @ts-ignore: decorator
@inline
function one(type: i32, p: usize): f32 {
  if (type == Held.f32) return load<f32>(p);
  if (type == Held.bf16) return reinterpret<f32>(<u32>load<u16>(p) << 16);
  return half(load<u16>(p));
}

/** A finite f16. */
function half(bits: u32): f32 {
  const magnitude = reinterpret<f32>((bits & 0x7fff) << 13) * reinterpret<f32>(0x77800000);
  return bits & 0x8000 ? -magnitude : magnitude;
}
