import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece } from './pieces.js';

const COLS = 128;

export interface EmbedBackward {
  /** int32 [tokens]; an id outside the table has no gradient. */
  ids: number;
  /** f32 [tokens, cols]. */
  dy: number;
  /** f32 [rows, cols], added to. */
  dw: number;
  tokens: number;
  rows: number;
  cols: number;
}

/** dw[ids[t]] += dy[t], in the order of the tokens. */
export function embedBackward(p: Program, { ids, dy, dw, tokens, rows, cols }: EmbedBackward): void {
  const width = columnsPerPiece(cols, COLS);
  p.emit(Op.embedBackward, Math.ceil(cols / width), [ids, dy, dw, tokens, rows, cols, width]);
}
