import { DTYPES } from '../dtype.js';
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { HELD, type HeldType, isFloat, panelBytes } from './layout.js';

export interface EmbedArgs {
  type: HeldType;
  /** The table as held in memory, `rows` × `cols`. */
  table: number;
  /** int32 [tokens], each below `rows`. */
  ids: number;
  /** f32 [tokens, cols]. */
  out: number;
  tokens: number;
  rows: number;
  cols: number;
}

/** out[t] = table[ids[t]], dequantised exactly as the format defines. Ids outside the table read as zeros. */
export function embed(p: Program, { type, table, ids, out, tokens, rows, cols }: EmbedArgs): void {
  // Of one row in a float table, of one panel in a quantised one.
  const stride = isFloat(type) ? cols * DTYPES[type].bytes : panelBytes(type, cols);
  p.emit(Op.embed, tokens, [HELD[type], table, ids, out, rows, cols, stride]);
}
