/** What the passes of attention in training share: finding a piece's rows, and products, in machine code where there is any. */
import { Native, ProductArgs } from '../src/tensor/native/kernels';
import { TRAIN_PANEL, TrainFloat, TrainInt } from '../src/tensor/ops/attention-train-constants';
import { tiles } from './gemm-tile';
import { callNative, hasNative, setArg } from './native';
import { float, int, ptr } from './record';

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

/**
 * c[rows][16 · panels] (+)= a · b, with b in panels `bNext` bytes apart; a transposed lies in columns of one k each, aStride
 * bytes apart.
 */
export function multiply(
  scratch: usize, transposed: bool, a: usize, aStride: usize, rows: i32, b: usize, bNext: usize, panels: i32, k: i32,
  c: usize, cStride: usize, add: bool,
): void {
  const kernel = transposed ? Native.productTransposed : Native.product;
  if (!hasNative(kernel)) {
    tiles(transposed, a, aStride, rows, b, bNext, panels, k, c, cStride, add);
    return;
  }
  setArg(scratch, ProductArgs.a, a);
  setArg(scratch, ProductArgs.aStride, aStride);
  setArg(scratch, ProductArgs.rows, rows);
  setArg(scratch, ProductArgs.b, b);
  setArg(scratch, ProductArgs.bNext, bNext);
  setArg(scratch, ProductArgs.panels, panels);
  setArg(scratch, ProductArgs.k, k);
  setArg(scratch, ProductArgs.c, c);
  setArg(scratch, ProductArgs.cStride, cStride);
  setArg(scratch, ProductArgs.scales, add ? scratch + ONES : 0);
  callNative(kernel, scratch);
}

/** Scratch begins with arguments of machine code and, for sums that are added to, a factor of 1 for each row of a block. */
const ONES: usize = 64;
export const WORKSPACE: usize = ONES + 256;

export function prepare(scratch: usize): void {
  for (let i: usize = 0; i < 256; i += 16) v128.store(scratch + ONES + i, f32x4.splat(1));
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
