/** Gradients of elementwise operations, and sums of multiples. Pointers are byte addresses, strides count elements. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece, rectangles, rowsPerPiece } from './pieces.js';

const CHEAP = 1 << 16;
const WITH_EXP = 1 << 13;

/** y = a · x + b · y over n elements; with b = 0, y is not read (and may hold NaN). */
export function axpby(p: Program, o: { x: number; y: number; n: number; a: number; b: number }): void {
  const per = columnsPerPiece(o.n, CHEAP);
  p.emit(Op.axpby, Math.ceil(o.n / per), [o.x, o.y, o.n, per], [o.a, o.b]);
}

/** dGate and dUp may lie where gate and up do. */
export interface SwigluBackward {
  /** f32 [rows, cols] each. */
  gate: number;
  up: number;
  dy: number;
  dGate: number;
  dUp: number;
  rows: number;
  cols: number;
  /** From row to row. Default cols. */
  gateStride?: number;
  upStride?: number;
  dyStride?: number;
  dGateStride?: number;
  dUpStride?: number;
}

/** Of y = silu(gate) · up: dGate = dy · up · silu′(gate), dUp = dy · silu(gate). Both are overwritten. */
export function swigluBackward(p: Program, o: SwigluBackward): void {
  const { gate, up, dy, dGate, dUp, rows, cols } = o;
  const { gateStride = cols, upStride = cols, dyStride = cols, dGateStride = cols, dUpStride = cols } = o;
  const cut = rectangles(rows, cols, WITH_EXP);
  const strides = [gateStride, upStride, dyStride, dGateStride, dUpStride];
  p.emit(Op.swigluBackward, cut.pieces, [gate, up, dy, dGate, dUp, rows, cols, ...strides, cut.rows, cut.cols]);
}

/** dx may be x or dy, dGate may be gate. Shapes as in SigmoidGate. */
export interface SigmoidGateBackward {
  x: number;
  gate: number;
  dy: number;
  dx: number;
  dGate: number;
  rows: number;
  /** Columns of one group; x, dy and dx hold `groups` groups side by side. */
  cols: number;
  groups?: number;
  xStride?: number;
  dyStride?: number;
  dxStride?: number;
  /** From one row's gates to the next, and from one group's to the next. */
  gateStride?: number;
  gateGroupStride?: number;
  dGateStride?: number;
  dGateGroupStride?: number;
  /** One gate a row (of each group) instead of one an element. */
  broadcast?: boolean;
}

/** Of y = x · sigmoid(gate) over [rows, groups, cols]: dx and dGate, both overwritten. */
export function sigmoidGateBackward(p: Program, o: SigmoidGateBackward): void {
  const { rows, cols, groups = 1, broadcast = false } = o;
  const width = groups * cols;
  const { xStride = width, dyStride = width, dxStride = width } = o;
  const { gateGroupStride = broadcast ? 1 : cols, dGateGroupStride = broadcast ? 1 : cols } = o;
  const { gateStride = groups * gateGroupStride, dGateStride = groups * dGateGroupStride } = o;
  const per = rowsPerPiece(rows, width, WITH_EXP);
  p.emit(Op.sigmoidGateBackward, Math.ceil(rows / per), [
    ...[o.x, o.gate, o.dy, o.dx, o.dGate, rows, groups, cols],
    ...[xStride, gateStride, gateGroupStride, dyStride, dxStride, dGateStride, dGateGroupStride],
    ...[broadcast ? 1 : 0, per],
  ]);
}
