/** Sums over the rows of a matrix (gradients of what all rows share) and sums of squares (norms of gradients). */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece } from './pieces.js';

/** A block of rows is summed by itself, then the blocks' sums: shared by threads, and more exact than one long sum. */
const BLOCK_ROWS = 128;
const BLOCK_COLS = 512;
const SQUARES = 1 << 16;

export interface SumColumns {
  /** f32 [rows, cols]. */
  x: number;
  /** f32 [cols]. */
  y: number;
  rows: number;
  cols: number;
  /** From row to row. Default cols. */
  xStride?: number;
  /** Add to y instead of overwriting it. */
  accumulate?: boolean;
  /** sumColumnsWork(rows, cols) bytes. */
  work: number;
}

export function sumColumnsWork(rows: number, cols: number): number {
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  return blocks > 1 ? blocks * cols * 4 : 0;
}

/** y[c] (+)= Σ_r x[r, c]. */
export function sumColumns(p: Program, o: SumColumns): void {
  const { x, y, rows, cols, xStride = cols, accumulate = false, work } = o;
  sumProducts(p, { a: x, b: 0, y, rows, cols, aStride: xStride, bStride: 0, accumulate, work });
}

export interface DotColumns {
  /** f32 [rows, cols] each. */
  a: number;
  b: number;
  /** f32 [cols]. */
  y: number;
  rows: number;
  cols: number;
  aStride?: number;
  bStride?: number;
  accumulate?: boolean;
  /** sumColumnsWork(rows, cols) bytes. */
  work: number;
}

/** y[c] (+)= Σ_r a[r, c] · b[r, c]: the gradient of a scale of columns. */
export function dotColumns(p: Program, o: DotColumns): void {
  const { cols, aStride = cols, bStride = cols, accumulate = false } = o;
  sumProducts(p, { ...o, aStride, bStride, accumulate });
}

function sumProducts(p: Program, o: Required<DotColumns>): void {
  const { rows, cols, accumulate, work } = o;
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const width = columnsPerPiece(cols, BLOCK_COLS);
  const across = Math.ceil(cols / width);
  const single = blocks === 1;
  p.emit(Op.sumColumns, blocks * across, [
    o.a,
    o.b,
    single ? o.y : work,
    rows,
    cols,
    o.aStride,
    o.bStride,
    BLOCK_ROWS,
    width,
    single && accumulate ? 1 : 0,
  ]);
  if (single) return;
  p.emit(Op.sumColumns, across, [work, 0, o.y, blocks, cols, cols, 0, blocks, width, accumulate ? 1 : 0]);
}

/** How many partial sums `sumSquares` writes. */
export function sumSquaresPieces(n: number): number {
  return Math.ceil(n / SQUARES);
}

/** Writes partial sums of x² over n elements to `out`: f64 [sumSquaresPieces(n)], to be added up in order. */
export function sumSquares(p: Program, { x, n, out }: { x: number; n: number; out: number }): void {
  p.emit(Op.sumSquares, sumSquaresPieces(n), [x, out, n, SQUARES]);
}
