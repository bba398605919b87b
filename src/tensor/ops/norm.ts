/** RMS normalisation over the columns of [rows, groups, cols]; groups are heads, or one. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';
import type { Result } from './quantize.js';

const ELEMENTS = 1 << 15;

/** y may be x. */
export interface RmsNorm extends Result {
  x: number;
  /** [cols], shared by all groups. */
  weight: number;
  rows: number;
  groups?: number;
  cols: number;
  /** From row to row (default: groups · group stride) and from group to group (default: cols), in elements. */
  xStride?: number;
  xGroupStride?: number;
  yStride?: number;
  yGroupStride?: number;
  eps: number;
  /** Added to the weight: 1 for weights stored around zero. Default 0. */
  weightOffset?: number;
}

/** y = x / √(mean(x²) + eps) · (weight + weightOffset) (arXiv:1910.07467). */
export function rmsNorm(p: Program, o: RmsNorm): void {
  const { x, weight, y = 0, rows, groups = 1, cols, eps, weightOffset = 0, quantized = 0, bits = 8 } = o;
  const { xGroupStride = cols, yGroupStride = cols } = o;
  const { xStride = groups * xGroupStride, yStride = groups * yGroupStride } = o;
  const per = rowsPerPiece(rows, groups * cols, ELEMENTS);
  const pieces = Math.ceil(rows / per);
  const ints = [x, weight, y, rows, groups, cols, xStride, xGroupStride, yStride, yGroupStride, per, quantized, bits];
  p.emit(Op.rmsNorm, pieces, ints, [eps, weightOffset]);
}

/** y may be x. */
export interface GatedNorm extends Result {
  x: number;
  gate: number;
  /** [cols], shared by all groups. */
  weight: number;
  rows: number;
  groups?: number;
  cols: number;
  /** From row to row; groups lie side by side. Default groups · cols. */
  xStride?: number;
  gateStride?: number;
  yStride?: number;
  eps: number;
}

/** y = x / √(mean(x²) + eps) · weight · silu(gate): the output norm of gated DeltaNet. */
export function gatedNorm(p: Program, o: GatedNorm): void {
  const { x, gate, weight, y = 0, rows, groups = 1, cols, eps, quantized = 0, bits = 8 } = o;
  const width = groups * cols;
  const { xStride = width, gateStride = width, yStride = width } = o;
  const per = rowsPerPiece(rows, width, ELEMENTS / 4);
  const ints = [x, gate, weight, y, rows, groups, cols, xStride, gateStride, yStride, per, quantized, bits];
  p.emit(Op.gatedNorm, Math.ceil(rows / per), ints, [eps]);
}
