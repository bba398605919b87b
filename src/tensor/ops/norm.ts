/** RMS normalisation over the columns of [rows, groups, cols]; groups are heads, or one. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';

const ELEMENTS = 1 << 15;

export interface RmsNorm {
  x: number;
  /** [cols], shared by all groups. */
  weight: number;
  /** May be x. */
  y: number;
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
  const { x, weight, y, rows, groups = 1, cols, eps, weightOffset = 0 } = o;
  const { xGroupStride = cols, yGroupStride = cols } = o;
  const { xStride = groups * xGroupStride, yStride = groups * yGroupStride } = o;
  const per = rowsPerPiece(rows, groups * cols, ELEMENTS);
  const ints = [x, weight, y, rows, groups, cols, xStride, xGroupStride, yStride, yGroupStride, per];
  p.emit(Op.rmsNorm, Math.ceil(rows / per), ints, [eps, weightOffset]);
}

export interface GatedNorm {
  x: number;
  gate: number;
  /** [cols], shared by all groups. */
  weight: number;
  /** May be x. */
  y: number;
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
  const { x, gate, weight, y, rows, groups = 1, cols, eps } = o;
  const width = groups * cols;
  const per = rowsPerPiece(rows, width, ELEMENTS / 4);
  p.emit(
    Op.gatedNorm,
    Math.ceil(rows / per),
    [x, gate, weight, y, rows, groups, cols, o.xStride ?? width, o.gateStride ?? width, o.yStride ?? width, per],
    [eps],
  );
}
