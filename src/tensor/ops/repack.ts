import { DTYPES } from '../dtype.js';
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { HELD, type HeldType, isFloat, panelBytes } from './layout.js';
import { PANEL } from './layout-constants.js';

export interface RepackArgs {
  type: HeldType;
  /** `rows` rows as the file holds them. */
  src: number;
  /** Start of the whole matrix (`heldBytes`). */
  dst: number;
  /** Rows at `src`: a multiple of 16, except at the matrix's end. */
  rows: number;
  cols: number;
  /** Which row of the matrix the first one is; a multiple of 16. Default 0. */
  firstRow?: number;
}

/** Moves rows of a quantised matrix from the file's order into panels. Float types need none. */
export function repack(p: Program, { type, src, dst, rows, cols, firstRow = 0 }: RepackArgs): void {
  if (isFloat(type)) throw new RangeError(`${type} rows are held as they are`);
  const bytes = panelBytes(type, cols);
  const panelsPerPiece = Math.max(1, Math.round(65_536 / bytes));
  const panels = Math.ceil(rows / PANEL);
  const rowBytes = (cols / DTYPES[type].block) * DTYPES[type].bytes;
  p.emit(Op.repack, Math.ceil(panels / panelsPerPiece), [
    HELD[type],
    src,
    dst + (firstRow / PANEL) * bytes,
    rows,
    cols,
    rowBytes,
    bytes,
    panelsPerPiece,
  ]);
}
