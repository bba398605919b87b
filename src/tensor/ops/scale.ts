import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rectangles } from './pieces.js';

const ELEMENTS = 1 << 15;

/** y may be x. */
export interface ScaleColumns {
  /** f32 [rows, cols] each. */
  x: number;
  y: number;
  /** f32 [cols]. */
  scale: number;
  rows: number;
  cols: number;
  xStride?: number;
  yStride?: number;
  /** Add to y instead of overwriting it. */
  accumulate?: boolean;
}

/** y (+)= x · diag(scale): each column times its scale (DoRA's magnitudes, arXiv:2402.09353). */
export function scaleColumns(p: Program, o: ScaleColumns): void {
  const { x, y, scale, rows, cols, xStride = cols, yStride = cols, accumulate = false } = o;
  const cut = rectangles(rows, cols, ELEMENTS);
  const ints = [x, y, scale, rows, cols, xStride, yStride, cut.rows, cut.cols, accumulate ? 1 : 0];
  p.emit(Op.scaleColumns, cut.pieces, ints);
}
