/**
 * What the passes of attention in training share: finding a piece's rows, cutting blocks of rows into the panels that
 * products read (tile.ts), and the products themselves, in machine code where there is any.
 */
import { Native, ProductArgs } from '../src/tensor/native/kernels';
import { TRAIN_PANEL, TrainFloat, TrainInt } from '../src/tensor/ops/attention-train-constants';
import { callNative, hasNative, setArg } from './native';
import { float, int, ptr } from './record';
import { product } from './tile';

/** A count that a record keeps as a float. */
// @ts-ignore: decorator
@inline
export function count(op: usize, index: i32): i32 {
  return <i32>float(op, index);
}

/** `n` rounded up to whole panels. */
// @ts-ignore: decorator
@inline
export function padded(n: i32): i32 {
  return (n + TRAIN_PANEL - 1) & -TRAIN_PANEL;
}

/** Where a row of one of the operands begins. */
// @ts-ignore: decorator
@inline
export function rowAt(op: usize, pointer: i32, stride: i32, row: i32): usize {
  return ptr(op, pointer) + (<usize>row * <usize>int(op, stride) << 2);
}

/** Row `first` of a run is in `block` (of `per` rows, numbered through all runs): run << 32 | first, or -1 behind the last. */
export function blockAt(op: usize, block: i32, per: i32): i64 {
  const runs = int(op, TrainInt.runs);
  for (let run = 0; run < runs; run++) {
    const own = (runRows(op, run) + per - 1) / per;
    if (block < own) return (<i64>run << 32) | <i64>(block * per);
    block -= own;
  }
  return -1;
}

// @ts-ignore: decorator
@inline
export function runStart(op: usize, run: i32): i32 {
  return load<i32>(ptr(op, TrainInt.table) + (<usize>run << 3));
}

// @ts-ignore: decorator
@inline
export function runRows(op: usize, run: i32): i32 {
  return load<i32>(ptr(op, TrainInt.table) + (<usize>run << 3), 4);
}

/** The factor of a row's scores. */
export function factorOf(op: usize, row: i32): f32 {
  const qScale = ptr(op, TrainInt.qScale);
  return qScale ? float(op, TrainFloat.scale) * load<f32>(qScale + (<usize>row << 2)) : float(op, TrainFloat.scale);
}

/** dst[c][r] = src[r][c]. Strides are in bytes. */
export function transpose(src: usize, srcStride: usize, rows: i32, cols: i32, dst: usize, dstStride: usize): void {
  const evenCols = cols & -4;
  let r = 0;
  for (; r + 4 <= rows; r += 4) {
    let from = src;
    let to = dst;
    for (let c = 0; c < evenCols; c += 4) {
      const a0 = v128.load(from);
      const a1 = v128.load(from + srcStride);
      const a2 = v128.load(from + (srcStride << 1));
      const a3 = v128.load(from + srcStride * 3);
      const low01 = v128.shuffle<f32>(a0, a1, 0, 4, 1, 5);
      const low23 = v128.shuffle<f32>(a2, a3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(a0, a1, 2, 6, 3, 7);
      const high23 = v128.shuffle<f32>(a2, a3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(to + dstStride, v128.shuffle<i64>(low01, low23, 1, 3));
      v128.store(to + (dstStride << 1), v128.shuffle<i64>(high01, high23, 0, 2));
      v128.store(to + dstStride * 3, v128.shuffle<i64>(high01, high23, 1, 3));
      from += 16;
      to += dstStride << 2;
    }
    for (let c = evenCols; c < cols; c++) {
      for (let i: usize = 0; i < 4; i++) store<f32>(to + (i << 2), load<f32>(from + i * srcStride));
      from += 4;
      to += dstStride;
    }
    src += srcStride << 2;
    dst += 16;
  }
  for (; r < rows; r++) {
    let to = dst;
    for (let c: usize = 0; c < <usize>cols; c++) {
      store<f32>(to, load<f32>(src + (c << 2)));
      to += dstStride;
    }
    src += srcStride;
    dst += 4;
  }
}

/** Panels whose columns are the rows of src: [row / 16][column][16], the last filled up with zeros. */
export function packColumns(src: usize, stride: usize, rows: i32, cols: i32, dst: usize): void {
  const panelBytes = <usize>cols << 6;
  for (let r = 0; r < rows; r += TRAIN_PANEL) {
    const n = min(TRAIN_PANEL, rows - r);
    if (n < TRAIN_PANEL) memory.fill(dst, 0, panelBytes);
    transpose(src, stride, n, cols, dst, 64);
    src += stride << 4;
    dst += panelBytes;
  }
}

/** Panels of 16 columns of src: [column / 16][row][16], panels `next` bytes apart, the last filled up with zeros. */
export function packRows(src: usize, stride: usize, rows: i32, cols: i32, dst: usize, next: usize): void {
  for (let c = 0; c < cols; c += TRAIN_PANEL) {
    let from = src + (<usize>c << 2);
    const end = dst + (<usize>rows << 6);
    const bytes = <usize>min(TRAIN_PANEL, cols - c) << 2;
    for (let to = dst; to < end; to += 64) {
      if (bytes == 64) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        v128.store(to, v128.load(from, 32), 32);
        v128.store(to, v128.load(from, 48), 48);
      } else {
        memory.fill(to + bytes, 0, 64 - bytes);
        memory.copy(to, from, bytes);
      }
      from += stride;
    }
    dst += next;
  }
}

/** c[rows][16 · panels] = a · b, b in panels `bNext` bytes apart. The first parameter is 64 bytes for arguments. */
export function multiply(
  args: usize, a: usize, aStride: usize, rows: i32, b: usize, bNext: usize, panels: i32, k: i32, c: usize, cStride: usize,
): void {
  if (!hasNative(Native.product)) {
    product<f32>(a, aStride, rows, b, bNext, panels, k, c, cStride);
    return;
  }
  setArg(args, ProductArgs.a, a);
  setArg(args, ProductArgs.aStride, aStride);
  setArg(args, ProductArgs.rows, rows);
  setArg(args, ProductArgs.b, b);
  setArg(args, ProductArgs.bNext, bNext);
  setArg(args, ProductArgs.panels, panels);
  setArg(args, ProductArgs.k, k);
  setArg(args, ProductArgs.c, c);
  setArg(args, ProductArgs.cStride, cStride);
  setArg(args, ProductArgs.scales, 0);
  callNative(Native.product, args);
}

/** dst[r][0..cols) += src[r][0..cols). */
export function addRows(src: usize, srcStride: usize, dst: usize, dstStride: usize, rows: i32, cols: i32): void {
  const bytes = <usize>cols << 2;
  for (let r = 0; r < rows; r++) {
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) v128.store(dst + i, f32x4.add(v128.load(dst + i), v128.load(src + i)));
    for (; i < bytes; i += 4) store<f32>(dst + i, load<f32>(dst + i) + load<f32>(src + i));
    src += srcStride;
    dst += dstStride;
  }
}
