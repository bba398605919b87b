/** Gradients of operations on one element at a time, and sums of multiples. */
import { Native, SwigluBackwardArgs } from '../src/tensor/native/kernels';
import { callNative, hasNative, lastOf, setArg } from './native';
import { float, int, ptr } from './record';
import { lanes, madd, putLanes, sigmoid, sum } from './simd';

/** y = a · x + b · y; with b = 0, y is not read. Ints: x, y, n, elements a piece. Floats: a, b. */
export function axpby(op: usize, piece: i32, scratch: usize): void {
  const per = int(op, 3);
  const start = piece * per;
  const bytes = <usize>min(per, int(op, 2) - start) << 2;
  const x = ptr(op, 0) + (<usize>start << 2);
  const y = ptr(op, 1) + (<usize>start << 2);
  const a = f32x4.splat(float(op, 0));
  const b = f32x4.splat(float(op, 1));
  let i: usize = 0;
  if (float(op, 1) == 0) {
    for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.mul(v128.load(x + i), a));
    for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * float(op, 0));
  } else {
    for (; i + 16 <= bytes; i += 16) v128.store(y + i, madd(v128.load(x + i), a, f32x4.mul(v128.load(y + i), b)));
    for (; i < bytes; i += 4) putLanes(y + i, madd(lanes(x + i, false), a, f32x4.mul(lanes(y + i, false), b)), false);
  }
}

/**
 * Of y = silu(gate) · up: dGate = dy · up · silu'(gate), dUp = dy · silu(gate). These may lie where gate and up do.
 * Ints: gate, up, dy, dGate, dUp, rows, cols, gateStride, upStride, dyStride, dGateStride, dUpStride, rows a piece,
 * columns a piece.
 */
export function swigluBackward(op: usize, piece: i32, scratch: usize): void {
  const cols = int(op, 6);
  const rowsPer = int(op, 12);
  const colsPer = int(op, 13);
  const across = (cols + colsPer - 1) / colsPer;
  const firstCol = (piece % across) * colsPer;
  const firstRow = (piece / across) * rowsPer;
  const lastRow = min(firstRow + rowsPer, int(op, 5));
  const count = min(colsPer, cols - firstCol);
  const bytes = <usize>count << 2;
  if (count % 16 == 0 && hasNative(Native.swigluBackward)) {
    nativeSwigluBackward(op, firstRow, lastRow - firstRow, firstCol, count, lastOf(scratch));
    return;
  }
  for (let row = firstRow; row < lastRow; row++) {
    const gate = ptr(op, 0) + (<usize>(row * int(op, 7) + firstCol) << 2);
    const up = ptr(op, 1) + (<usize>(row * int(op, 8) + firstCol) << 2);
    const dy = ptr(op, 2) + (<usize>(row * int(op, 9) + firstCol) << 2);
    const dGate = ptr(op, 3) + (<usize>(row * int(op, 10) + firstCol) << 2);
    const dUp = ptr(op, 4) + (<usize>(row * int(op, 11) + firstCol) << 2);
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) swigluStep(gate + i, up + i, dy + i, dGate + i, dUp + i, true);
    for (; i < bytes; i += 4) swigluStep(gate + i, up + i, dy + i, dGate + i, dUp + i, false);
  }
}

function nativeSwigluBackward(op: usize, firstRow: i32, rows: i32, firstCol: i32, count: i32, args: usize): void {
  // Places and strides alternate in the arguments, in the order of the record.
  for (let i = 0; i < 5; i++) {
    setArg(args, 2 * i, ptr(op, i) + (<usize>(firstRow * int(op, 7 + i) + firstCol) << 2));
    setArg(args, 2 * i + 1, int(op, 7 + i) << 2);
  }
  setArg(args, SwigluBackwardArgs.rows, rows);
  setArg(args, SwigluBackwardArgs.columns, count);
  callNative(Native.swigluBackward, args);
}

// @ts-ignore: decorator
@inline
function swigluStep(gate: usize, up: usize, dy: usize, dGate: usize, dUp: usize, whole: bool): void {
  const g = lanes(gate, whole);
  const gradient = lanes(dy, whole);
  const s = sigmoid(g);
  const silu = f32x4.mul(g, s);
  const through = f32x4.mul(gradient, lanes(up, whole));
  putLanes(dGate, f32x4.mul(through, siluSlope(silu, s)), whole);
  putLanes(dUp, f32x4.mul(gradient, silu), whole);
}

/** silu' = σ + silu · (1 − σ). */
// @ts-ignore: decorator
@inline
export function siluSlope(silu: v128, s: v128): v128 {
  return madd(silu, f32x4.sub(f32x4.splat(1), s), s);
}

/**
 * Of y = x · sigmoid(gate): dx = dy · sigmoid(gate), dGate = dy · x · sigmoid'(gate), its sum where a gate serves a whole
 * group. dx may be x or dy, dGate may be gate.
 * Ints: x, gate, dy, dx, dGate, rows, groups, cols, xStride, gateStride, gateGroupStride, dyStride, dxStride,
 * dGateStride, dGateGroupStride, broadcast (one gate a group), rows a piece.
 */
export function sigmoidGateBackward(op: usize, piece: i32, scratch: usize): void {
  const groups = int(op, 6);
  const cols = int(op, 7);
  const rowsPer = int(op, 16);
  const bytes = <usize>cols << 2;
  const lastRow = min((piece + 1) * rowsPer, int(op, 5));
  for (let row = piece * rowsPer; row < lastRow; row++) {
    for (let group = 0; group < groups; group++) {
      const x = ptr(op, 0) + (<usize>(row * int(op, 8) + group * cols) << 2);
      const gate = ptr(op, 1) + (<usize>(row * int(op, 9) + group * int(op, 10)) << 2);
      const dy = ptr(op, 2) + (<usize>(row * int(op, 11) + group * cols) << 2);
      const dx = ptr(op, 3) + (<usize>(row * int(op, 12) + group * cols) << 2);
      const dGate = ptr(op, 4) + (<usize>(row * int(op, 13) + group * int(op, 14)) << 2);
      let i: usize = 0;
      if (int(op, 15)) {
        const s = sigmoid(v128.load32_splat(gate));
        let total = f32x4.splat(0);
        for (; i + 16 <= bytes; i += 16) total = gateAll(x + i, s, dy + i, dx + i, total, true);
        for (; i < bytes; i += 4) total = gateAll(x + i, s, dy + i, dx + i, total, false);
        const open = f32x4.extract_lane(s, 0);
        store<f32>(dGate, sum(total) * open * (1 - open));
      } else {
        for (; i + 16 <= bytes; i += 16) gateOne(x + i, gate + i, dy + i, dx + i, dGate + i, true);
        for (; i < bytes; i += 4) gateOne(x + i, gate + i, dy + i, dx + i, dGate + i, false);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function gateAll(x: usize, s: v128, dy: usize, dx: usize, total: v128, whole: bool): v128 {
  const gradient = lanes(dy, whole);
  const value = lanes(x, whole);
  putLanes(dx, f32x4.mul(gradient, s), whole);
  return madd(gradient, value, total);
}

// @ts-ignore: decorator
@inline
function gateOne(x: usize, gate: usize, dy: usize, dx: usize, dGate: usize, whole: bool): void {
  const gradient = lanes(dy, whole);
  const through = f32x4.mul(gradient, lanes(x, whole));
  const s = sigmoid(lanes(gate, whole));
  putLanes(dx, f32x4.mul(gradient, s), whole);
  putLanes(dGate, f32x4.mul(through, f32x4.mul(s, f32x4.sub(f32x4.splat(1), s))), whole);
}
