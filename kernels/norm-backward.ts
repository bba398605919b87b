/** Gradients through RMS normalisation. The factor 1/rms is computed anew from x: cheaper than to keep it. */
import { Native, NormBackwardArgs } from '../src/tensor/native/kernels';
import { siluSlope } from './elementwise-backward';
import { callNative, hasNative, lastOf, setArg, setFloat } from './native';
import { float, int, ptr } from './record';
import { lanes, madd, putLanes, sigmoid, sum } from './simd';
import { squares } from './sums';

/**
 * With s = 1/√(mean(x²) + eps) and g = dy · (weight + weightOffset): dx (+)= s · (g − x · s² · mean(g · x)), and
 * partial[piece, c] = Σ dy · x · s over the piece's rows and groups where partial is not 0. dx may be x or dy.
 * Ints: x, weight, dy, dx, partial, rows, groups, cols, xStride, xGroupStride, dyStride, dyGroupStride, dxStride,
 * dxGroupStride, rows a piece, accumulate. Floats: eps, weightOffset.
 */
export function rmsNormBackward(op: usize, piece: i32, scratch: usize): void {
  const weight = ptr(op, 1);
  const groups = int(op, 6);
  const cols = int(op, 7);
  const rowsPer = int(op, 14);
  const bytes = <usize>cols << 2;
  const lastRow = min((piece + 1) * rowsPer, int(op, 5));
  const accumulate = int(op, 15) != 0;
  const partial = ptr(op, 4) ? ptr(op, 4) + <usize>piece * bytes : 0;
  if (partial) memory.fill(partial, 0, bytes);
  if (cols % 16 == 0 && hasNative(Native.normBackward)) {
    nativeNormBackward(op, piece * rowsPer, lastRow - piece * rowsPer, partial, lastOf(scratch));
    return;
  }
  for (let row = piece * rowsPer; row < lastRow; row++) {
    for (let group = 0; group < groups; group++) {
      const x = ptr(op, 0) + (<usize>(row * int(op, 8) + group * int(op, 9)) << 2);
      const dy = ptr(op, 2) + (<usize>(row * int(op, 10) + group * int(op, 11)) << 2);
      const dx = ptr(op, 3) + (<usize>(row * int(op, 12) + group * int(op, 13)) << 2);
      normRowBackward(x, weight, dy, dx, partial, bytes, float(op, 0), float(op, 1), accumulate);
    }
  }
}

function nativeNormBackward(op: usize, row: i32, rows: i32, partial: usize, args: usize): void {
  setArg(args, NormBackwardArgs.x, ptr(op, 0) + (<usize>(row * int(op, 8)) << 2));
  setArg(args, NormBackwardArgs.xStride, int(op, 8) << 2);
  setArg(args, NormBackwardArgs.xGroupStride, int(op, 9) << 2);
  setArg(args, NormBackwardArgs.dy, ptr(op, 2) + (<usize>(row * int(op, 10)) << 2));
  setArg(args, NormBackwardArgs.dyStride, int(op, 10) << 2);
  setArg(args, NormBackwardArgs.dyGroupStride, int(op, 11) << 2);
  setArg(args, NormBackwardArgs.dx, ptr(op, 3) + (<usize>(row * int(op, 12)) << 2));
  setArg(args, NormBackwardArgs.dxStride, int(op, 12) << 2);
  setArg(args, NormBackwardArgs.dxGroupStride, int(op, 13) << 2);
  setArg(args, NormBackwardArgs.weight, ptr(op, 1));
  setArg(args, NormBackwardArgs.partial, partial);
  setArg(args, NormBackwardArgs.rows, rows);
  setArg(args, NormBackwardArgs.groups, int(op, 6));
  setArg(args, NormBackwardArgs.columns, int(op, 7));
  setFloat(args, NormBackwardArgs.eps, float(op, 0));
  setFloat(args, NormBackwardArgs.offset, float(op, 1));
  setArg(args, NormBackwardArgs.accumulate, int(op, 15));
  callNative(Native.normBackward, args);
}

/** One row. `partial` (0: none) += dy · x · s. */
export function normRowBackward(
  x: usize, weight: usize, dy: usize, dx: usize, partial: usize, bytes: usize, eps: f32, offset: f32, accumulate: bool,
): void {
  const shift = f32x4.splat(offset);
  let squares0 = f32x4.splat(0), squares1 = squares0, dots0 = squares0, dots1 = squares0;
  let i: usize = 0;
  for (; i + 32 <= bytes; i += 32) {
    const a = v128.load(x + i);
    const b = v128.load(x + i, 16);
    squares0 = madd(a, a, squares0);
    squares1 = madd(b, b, squares1);
    dots0 = madd(f32x4.mul(v128.load(dy + i), f32x4.add(v128.load(weight + i), shift)), a, dots0);
    dots1 = madd(f32x4.mul(v128.load(dy + i, 16), f32x4.add(v128.load(weight + i, 16), shift)), b, dots1);
  }
  for (; i < bytes; i += 4) {
    const a = lanes(x + i, false);
    squares0 = madd(a, a, squares0);
    dots0 = madd(f32x4.mul(lanes(dy + i, false), f32x4.add(lanes(weight + i, false), shift)), a, dots0);
  }
  const cols = <f32>(bytes >> 2);
  const factor: f32 = 1 / sqrt<f32>(sum(f32x4.add(squares0, squares1)) / cols + eps);
  const s = f32x4.splat(factor);
  const pull = f32x4.splat(-factor * factor * (sum(f32x4.add(dots0, dots1)) / cols));
  i = 0;
  if (partial) {
    if (accumulate) for (; i + 16 <= bytes; i += 16) step(x, weight, dy, dx, partial, i, s, pull, shift, true, true, true);
    else for (; i + 16 <= bytes; i += 16) step(x, weight, dy, dx, partial, i, s, pull, shift, true, false, true);
    for (; i < bytes; i += 4) step(x, weight, dy, dx, partial, i, s, pull, shift, true, accumulate, false);
  } else {
    if (accumulate) for (; i + 16 <= bytes; i += 16) step(x, weight, dy, dx, partial, i, s, pull, shift, false, true, true);
    else for (; i + 16 <= bytes; i += 16) step(x, weight, dy, dx, partial, i, s, pull, shift, false, false, true);
    for (; i < bytes; i += 4) step(x, weight, dy, dx, partial, i, s, pull, shift, false, accumulate, false);
  }
}

// @ts-ignore: decorator
@inline
function step(
  x: usize, weight: usize, dy: usize, dx: usize, partial: usize, i: usize, s: v128, pull: v128, shift: v128,
  trained: bool, accumulate: bool, whole: bool,
): void {
  const value = lanes(x + i, whole);
  const gradient = lanes(dy + i, whole);
  const g = f32x4.mul(gradient, f32x4.add(lanes(weight + i, whole), shift));
  if (trained) {
    putLanes(partial + i, madd(f32x4.mul(gradient, value), s, lanes(partial + i, whole)), whole);
  }
  const inner = madd(value, pull, g);
  putLanes(dx + i, accumulate ? madd(inner, s, lanes(dx + i, whole)) : f32x4.mul(inner, s), whole);
}

/**
 * Of y = x / √(mean(x²) + eps) · weight · silu(gate): dx, dGate and partial sums of dWeight as above. dx may be x or dy, dGate
 * may be gate.
 * Ints: x, gate, weight, dy, dx, dGate, partial, rows, groups, cols, xStride, gateStride, dyStride, dxStride, dGateStride,
 * rows a piece. Float: eps.
 */
export function gatedNormBackward(op: usize, piece: i32, scratch: usize): void {
  const weight = ptr(op, 2);
  const groups = int(op, 8);
  const cols = int(op, 9);
  const rowsPer = int(op, 15);
  const eps = float(op, 0);
  const bytes = <usize>cols << 2;
  const lastRow = min((piece + 1) * rowsPer, int(op, 7));
  const partial = ptr(op, 6) ? ptr(op, 6) + <usize>piece * bytes : 0;
  if (partial) memory.fill(partial, 0, bytes);
  for (let row = piece * rowsPer; row < lastRow; row++) {
    for (let group = 0; group < groups; group++) {
      const first = group * cols;
      const x = ptr(op, 0) + (<usize>(row * int(op, 10) + first) << 2);
      const gate = ptr(op, 1) + (<usize>(row * int(op, 11) + first) << 2);
      const dy = ptr(op, 3) + (<usize>(row * int(op, 12) + first) << 2);
      const dx = ptr(op, 4) + (<usize>(row * int(op, 13) + first) << 2);
      const dGate = ptr(op, 5) + (<usize>(row * int(op, 14) + first) << 2);
      const s = f32x4.splat(1 / sqrt<f32>(squares(x, bytes) / <f32>cols + eps));
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) gateStep(x + i, gate + i, weight + i, dy + i, scratch + i, dGate + i, s, true);
      for (; i < bytes; i += 4) gateStep(x + i, gate + i, weight + i, dy + i, scratch + i, dGate + i, s, false);
      normRowBackward(x, weight, scratch, dx, partial, bytes, eps, 0, false);
    }
  }
}

/** The gate's gradient, and at `inner` that of the norm before the gate. */
// @ts-ignore: decorator
@inline
function gateStep(
  x: usize, gate: usize, weight: usize, dy: usize, inner: usize, dGate: usize, s: v128, whole: bool,
): void {
  const g = lanes(gate, whole);
  const gradient = lanes(dy, whole);
  const open = sigmoid(g);
  const silu = f32x4.mul(g, open);
  const normed = f32x4.mul(f32x4.mul(lanes(x, whole), s), lanes(weight, whole));
  putLanes(inner, f32x4.mul(gradient, silu), whole);
  putLanes(dGate, f32x4.mul(f32x4.mul(gradient, normed), siluSlope(silu, open)), whole);
}
