/** RMS normalisation of rows [rows, groups, cols], each group by itself; plain, or gated as Qwen3.5's DeltaNet wants it. */
import { Native, NormArgs } from '../src/tensor/native/kernels';
import { X8_BLOCK } from '../src/tensor/ops/layout-constants';
import { callNative, hasNative, lastOf, setArg, setFloat } from './native';
import { quantizeRow } from './quantize';
import { float, int, ptr } from './record';
import { sigmoid } from './simd';
import { squares } from './sums';

/**
 * y = x / √(mean(x²) + eps) · (weight + weightOffset), as floats at y and as blocks at `quantized` where these are not 0.
 * Ints: x, weight, y, rows, groups, cols, xStride, xGroupStride, yStride, yGroupStride, rows a piece, quantized, bits.
 * Floats: eps, weightOffset.
 */
export function rmsNorm(op: usize, piece: i32, scratch: usize): void {
  const groups = int(op, 4);
  const cols = int(op, 5);
  const rowsPer = int(op, 10);
  const offset = float(op, 1);
  const weight = ptr(op, 1);
  const quantized = ptr(op, 11);
  const blocks = (groups * cols) >> 5;
  const lastRow = min((piece + 1) * rowsPer, int(op, 3));
  if (cols % 16 == 0 && cols > 0 && (!quantized || int(op, 12) == 8) && hasNative(Native.norm)) {
    nativeNorm(op, piece * rowsPer, lastRow - piece * rowsPer, scratch);
    return;
  }
  for (let row = piece * rowsPer; row < lastRow; row++) {
    const to = ptr(op, 2) ? ptr(op, 2) + (<usize>(row * int(op, 8)) << 2) : scratch;
    for (let group = 0; group < groups; group++) {
      const x = ptr(op, 0) + (<usize>(row * int(op, 6) + group * int(op, 7)) << 2);
      normRow(x, weight, to + (<usize>(group * int(op, 9)) << 2), cols, float(op, 0), offset);
    }
    if (quantized) quantizeRow(to, quantized, row * blocks, blocks, int(op, 12), scratch);
  }
}

/** Some rows in machine code. */
function nativeNorm(op: usize, row: i32, rows: i32, scratch: usize): void {
  const y = ptr(op, 2);
  const quantized = ptr(op, 11);
  const blocks = (int(op, 4) * int(op, 5)) >> 5;
  const args = lastOf(scratch);
  setArg(args, NormArgs.x, ptr(op, 0) + (<usize>(row * int(op, 6)) << 2));
  setArg(args, NormArgs.xStride, int(op, 6) << 2);
  setArg(args, NormArgs.xGroupStride, int(op, 7) << 2);
  setArg(args, NormArgs.y, y ? y + (<usize>(row * int(op, 8)) << 2) : scratch);
  setArg(args, NormArgs.yStride, y ? int(op, 8) << 2 : 0);
  setArg(args, NormArgs.yGroupStride, int(op, 9) << 2);
  setArg(args, NormArgs.weight, ptr(op, 1));
  setArg(args, NormArgs.rows, rows);
  setArg(args, NormArgs.groups, int(op, 4));
  setArg(args, NormArgs.columns, int(op, 5));
  setFloat(args, NormArgs.eps, float(op, 0));
  setFloat(args, NormArgs.offset, float(op, 1));
  setArg(args, NormArgs.quantized, quantized ? quantized + <usize>(row * blocks) * X8_BLOCK : 0);
  setArg(args, NormArgs.blocks, blocks);
  callNative(Native.norm, args);
}

/** One row of `cols` values; y may be x. */
export function normRow(x: usize, weight: usize, y: usize, cols: i32, eps: f32, offset: f32): void {
  const bytes = <usize>cols << 2;
  const scale: f32 = 1 / sqrt<f32>(squares(x, bytes) / <f32>cols + eps);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    const w = f32x4.add(v128.load(weight + i), f32x4.splat(offset));
    v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), f32x4.splat(scale)), w));
  }
  for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * scale * (load<f32>(weight + i) + offset));
}

/**
 * y = x / √(mean(x²) + eps) · weight · silu(gate), as floats at y and as blocks at `quantized` where these are not 0.
 * Ints: x, gate, weight, y, rows, groups, cols, xStride, gateStride, yStride, rows a piece, quantized, bits. Float: eps.
 */
export function gatedNorm(op: usize, piece: i32, scratch: usize): void {
  const weight = ptr(op, 2);
  const groups = int(op, 5);
  const cols = int(op, 6);
  const rowsPer = int(op, 10);
  const quantized = ptr(op, 11);
  const blocks = (groups * cols) >> 5;
  const bytes = <usize>cols << 2;
  const lastRow = min((piece + 1) * rowsPer, int(op, 4));
  for (let row = piece * rowsPer; row < lastRow; row++) {
    const to = ptr(op, 3) ? ptr(op, 3) + (<usize>(row * int(op, 9)) << 2) : scratch;
    for (let group = 0; group < groups; group++) {
      const x = ptr(op, 0) + (<usize>(row * int(op, 7) + group * cols) << 2);
      const gate = ptr(op, 1) + (<usize>(row * int(op, 8) + group * cols) << 2);
      const y = to + (<usize>(group * cols) << 2);
      const scale = f32x4.splat(1 / sqrt<f32>(squares(x, bytes) / <f32>cols + float(op, 0)));
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) {
        v128.store(y + i, gated(v128.load(x + i), scale, v128.load(weight + i), v128.load(gate + i)));
      }
      for (; i < bytes; i += 4) {
        const value = gated(
          v128.load32_splat(x + i), scale, v128.load32_splat(weight + i), v128.load32_splat(gate + i),
        );
        v128.store32_lane(y + i, value, 0);
      }
    }
    if (quantized) quantizeRow(to, quantized, row * blocks, blocks, int(op, 12), scratch);
  }
}

// @ts-ignore: decorator
@inline
function gated(x: v128, scale: v128, weight: v128, gate: v128): v128 {
  return f32x4.mul(f32x4.mul(f32x4.mul(x, scale), weight), f32x4.mul(gate, sigmoid(gate)));
}

/** y = factor · x / √(Σx² + eps), padded with zeros from `n` to `padded`. */
export function normalise(x: usize, y: usize, n: i32, padded: i32, factor: f32, eps: f32): void {
  const bytes = (<usize>n) << 2;
  const scale: f32 = factor / sqrt<f32>(squares(x, bytes) + eps);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.mul(v128.load(x + i), f32x4.splat(scale)));
  for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * scale);
  for (; i < (<usize>padded) << 2; i += 4) store<f32>(y + i, 0);
}
