/** Operations on one element at a time. A piece is a rectangle of rows and columns. */
import { Native, SwigluArgs } from '../src/tensor/native/kernels';
import { X8_BLOCK } from '../src/tensor/ops/layout-constants';
import { callNative, hasNative, lastOf, setArg } from './native';
import { quantizeRow } from './quantize';
import { int, ptr } from './record';
import { sigmoid } from './simd';

/** Ints: src, dst, bytes, bytes a piece. */
export function copy(op: usize, piece: i32, scratch: usize): void {
  const bytes = ptr(op, 2);
  const per = ptr(op, 3);
  const start = <usize>piece * per;
  memory.copy(ptr(op, 1) + start, ptr(op, 0) + start, min(per, bytes - start));
}

/** y = a + b. Ints: a, b, y, n, elements a piece. */
export function add(op: usize, piece: i32, scratch: usize): void {
  const per = int(op, 4);
  const start = piece * per;
  const bytes = <usize>min(per, int(op, 3) - start) << 2;
  const offset = <usize>start << 2;
  const a = ptr(op, 0) + offset;
  const b = ptr(op, 1) + offset;
  const y = ptr(op, 2) + offset;
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
  for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(a + i) + load<f32>(b + i));
}

/**
 * y = silu(gate) · up, as floats at y and as blocks at `quantized` where these are not 0.
 * Ints: gate, up, y, rows, cols, gateStride, upStride, rows a piece, columns a piece, quantized, bits.
 */
export function swiglu(op: usize, piece: i32, scratch: usize): void {
  const cols = int(op, 4);
  const rowsPer = int(op, 7);
  const colsPer = int(op, 8);
  const across = (cols + colsPer - 1) / colsPer;
  const firstCol = (piece % across) * colsPer;
  const firstRow = (piece / across) * rowsPer;
  const lastRow = min(firstRow + rowsPer, int(op, 3));
  const count = min(colsPer, cols - firstCol);
  const bytes = <usize>count << 2;
  const quantized = ptr(op, 9);
  if (cols % 16 == 0 && (!quantized || int(op, 10) == 8) && hasNative(Native.swiglu)) {
    nativeSwiglu(op, firstRow, lastRow - firstRow, firstCol, count, scratch);
    return;
  }
  for (let row = firstRow; row < lastRow; row++) {
    const gate = ptr(op, 0) + (<usize>(row * int(op, 5) + firstCol) << 2);
    const up = ptr(op, 1) + (<usize>(row * int(op, 6) + firstCol) << 2);
    const y = ptr(op, 2) ? ptr(op, 2) + (<usize>(row * cols + firstCol) << 2) : scratch;
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) v128.store(y + i, silu(v128.load(gate + i), v128.load(up + i)));
    for (; i < bytes; i += 4) {
      v128.store32_lane(y + i, silu(v128.load32_splat(gate + i), v128.load32_splat(up + i)), 0);
    }
    if (quantized) quantizeRow(y, quantized, (row * cols + firstCol) >> 5, count >> 5, int(op, 10), scratch);
  }
}

/** A rectangle of the same. Where there are blocks to write, it is as wide as the rows or one row high. */
function nativeSwiglu(op: usize, firstRow: i32, rows: i32, firstCol: i32, count: i32, scratch: usize): void {
  const cols = int(op, 4);
  const y = ptr(op, 2);
  const quantized = ptr(op, 9);
  const args = lastOf(scratch);
  setArg(args, SwigluArgs.gate, ptr(op, 0) + (<usize>(firstRow * int(op, 5) + firstCol) << 2));
  setArg(args, SwigluArgs.gateStride, int(op, 5) << 2);
  setArg(args, SwigluArgs.up, ptr(op, 1) + (<usize>(firstRow * int(op, 6) + firstCol) << 2));
  setArg(args, SwigluArgs.upStride, int(op, 6) << 2);
  setArg(args, SwigluArgs.y, y ? y + (<usize>(firstRow * cols + firstCol) << 2) : scratch);
  setArg(args, SwigluArgs.yStride, y ? cols << 2 : 0);
  setArg(args, SwigluArgs.rows, rows);
  setArg(args, SwigluArgs.columns, count);
  setArg(args, SwigluArgs.quantized, quantized ? quantized + <usize>((firstRow * cols + firstCol) >> 5) * X8_BLOCK : 0);
  callNative(Native.swiglu, args);
}

// @ts-ignore: decorator
@inline
function silu(gate: v128, up: v128): v128 {
  return f32x4.mul(f32x4.mul(gate, sigmoid(gate)), up);
}

/**
 * y = x · sigmoid(gate), as floats at y and as blocks at `quantized` where these are not 0.
 * Ints: x, gate, y, rows, groups, cols, xStride, gateStride, gateGroupStride, yStride, broadcast (one gate a row),
 * rows a piece, quantized, bits.
 */
export function sigmoidGate(op: usize, piece: i32, scratch: usize): void {
  const groups = int(op, 4);
  const cols = int(op, 5);
  const broadcast = int(op, 10);
  const rowsPer = int(op, 11);
  const quantized = ptr(op, 12);
  const blocks = (groups * cols) >> 5;
  const bytes = <usize>cols << 2;
  const lastRow = min((piece + 1) * rowsPer, int(op, 3));
  for (let row = piece * rowsPer; row < lastRow; row++) {
    const to = ptr(op, 2) ? ptr(op, 2) + (<usize>(row * int(op, 9)) << 2) : scratch;
    for (let group = 0; group < groups; group++) {
      const x = ptr(op, 0) + (<usize>(row * int(op, 6) + group * cols) << 2);
      const gate = ptr(op, 1) + (<usize>(row * int(op, 7) + group * int(op, 8)) << 2);
      const y = to + (<usize>(group * cols) << 2);
      let i: usize = 0;
      if (broadcast) {
        const factor = sigmoid(v128.load32_splat(gate));
        for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.mul(v128.load(x + i), factor));
        for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * f32x4.extract_lane(factor, 0));
      } else {
        for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.mul(v128.load(x + i), sigmoid(v128.load(gate + i))));
        for (; i < bytes; i += 4) {
          v128.store32_lane(y + i, f32x4.mul(v128.load32_splat(x + i), sigmoid(v128.load32_splat(gate + i))), 0);
        }
      }
    }
    if (quantized) quantizeRow(to, quantized, row * blocks, blocks, int(op, 13), scratch);
  }
}
