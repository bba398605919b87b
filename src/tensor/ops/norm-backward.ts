/** Gradients through RMS normalisation; what the forward pass computed on the way is computed again, not kept. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';
import { sumColumns, sumColumnsWork } from './sums.js';

const ELEMENTS = 1 << 15;
/** Each piece writes a gradient of the weight: of fewer rows, these would cost more than the rows. */
const LEAST_ROWS = 16;

/** dx may be x or dy. Strides as in RmsNorm. */
export interface RmsNormBackward {
  /** What the norm was of, f32 [rows, groups, cols]. */
  x: number;
  /** [cols], shared by all groups. */
  weight: number;
  dy: number;
  dx: number;
  /** [cols], always added to; 0 if the weight is frozen. */
  dw: number;
  rows: number;
  groups?: number;
  cols: number;
  xStride?: number;
  xGroupStride?: number;
  dyStride?: number;
  dyGroupStride?: number;
  dxStride?: number;
  dxGroupStride?: number;
  eps: number;
  weightOffset?: number;
  /** Add to dx instead of overwriting it. */
  accumulate?: boolean;
  /** rmsNormBackwardWork bytes; not used without dw. */
  work: number;
}

export function rmsNormBackwardWork(rows: number, groups: number, cols: number): number {
  const pieces = Math.ceil(rows / rowsAPiece(rows, groups * cols));
  return pieces * cols * 4 + sumColumnsWork(pieces, cols);
}

/** dx (+)= gradient of x, dw += gradient of the weight, of y = x / √(mean(x²) + eps) · (weight + weightOffset). */
export function rmsNormBackward(p: Program, o: RmsNormBackward): void {
  const { x, weight, dy, dx, dw, rows, groups = 1, cols, eps, weightOffset = 0, accumulate = false, work } = o;
  const { xGroupStride = cols, dyGroupStride = cols, dxGroupStride = cols } = o;
  const per = rowsAPiece(rows, groups * cols);
  const pieces = Math.ceil(rows / per);
  const ints = [x, weight, dy, dx, dw ? work : 0, rows, groups, cols];
  ints.push(o.xStride ?? groups * xGroupStride, xGroupStride);
  ints.push(o.dyStride ?? groups * dyGroupStride, dyGroupStride);
  ints.push(o.dxStride ?? groups * dxGroupStride, dxGroupStride);
  ints.push(per, accumulate ? 1 : 0);
  p.emit(Op.rmsNormBackward, pieces, ints, [eps, weightOffset]);
  if (dw) addPartials(p, dw, work, pieces, cols);
}

/** dx may be x or dy, dGate may be gate. Groups lie side by side. */
export interface GatedNormBackward {
  x: number;
  gate: number;
  /** [cols], shared by all groups. */
  weight: number;
  dy: number;
  dx: number;
  dGate: number;
  /** [cols], always added to; 0 if the weight is frozen. */
  dw: number;
  rows: number;
  groups?: number;
  cols: number;
  /** From row to row. Default groups · cols. */
  xStride?: number;
  gateStride?: number;
  dyStride?: number;
  dxStride?: number;
  dGateStride?: number;
  eps: number;
  /** rmsNormBackwardWork bytes; not used without dw. */
  work: number;
}

/** Of y = x / √(mean(x²) + eps) · weight · silu(gate): dx and dGate, both overwritten, and dw += gradient of the weight. */
export function gatedNormBackward(p: Program, o: GatedNormBackward): void {
  const { x, gate, weight, dy, dx, dGate, dw, rows, groups = 1, cols, eps, work } = o;
  const width = groups * cols;
  const { xStride = width, gateStride = width, dyStride = width, dxStride = width, dGateStride = width } = o;
  const per = rowsAPiece(rows, width);
  const pieces = Math.ceil(rows / per);
  const ints = [x, gate, weight, dy, dx, dGate, dw ? work : 0, rows, groups, cols];
  ints.push(xStride, gateStride, dyStride, dxStride, dGateStride, per);
  p.emit(Op.gatedNormBackward, pieces, ints, [eps]);
  if (dw) addPartials(p, dw, work, pieces, cols);
}

/** dw += the pieces' gradients, which lie in `work`. */
function addPartials(p: Program, dw: number, work: number, pieces: number, cols: number): void {
  sumColumns(p, { x: work, y: dw, rows: pieces, cols, accumulate: true, work: work + pieces * cols * 4 });
}

function rowsAPiece(rows: number, width: number): number {
  return Math.min(rows, Math.max(LEAST_ROWS, rowsPerPiece(rows, width, ELEMENTS)));
}
