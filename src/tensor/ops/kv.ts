/** The KV cache of one layer: pages of keys and values, laid out as kernels/kv.ts says. */

import { align } from '../arena.js';
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import type { Batch } from './batch.js';
import { KV_BLOCK, KV_PAGE, KV_PANEL, Kv } from './kv-constants.js';
import { Q8_0_BLOCK } from './layout-constants.js';
import { rowsPerPiece } from './pieces.js';

export type KvType = keyof typeof Kv;

/** Bytes of a page of one layer: keys of KV_PAGE positions, then values. */
export function kvPageBytes(type: KvType, kvHeads: number, headDim: number): number {
  const panels = KV_PAGE / KV_PANEL;
  if (type === 'int8') return 2 * align(kvHeads * Math.ceil(headDim / KV_BLOCK) * panels * Q8_0_BLOCK);
  const depth = Math.ceil(headDim / KV_PANEL) * KV_PANEL;
  return 2 * align(kvHeads * depth * KV_PAGE * (type === 'f16' ? 2 : 4));
}

export interface StoreKV {
  /** [rows of the step, heads, headDim], heads side by side. */
  k: number;
  v: number;
  /** Page 0 of the layer; pages are kvPageBytes() long. */
  pages: number;
  batch: Batch;
  type: KvType;
  heads: number;
  headDim: number;
  /** From row to row; default heads · headDim. */
  kStride?: number;
  vStride?: number;
}

/** Writes the keys (after rope) and values of a step's rows into the cache. f16 rounds to nearest even, int8 to blocks of 32. */
export function storeKV(p: Program, o: StoreKV): void {
  const { heads, headDim } = o;
  const { runs, pointer } = o.batch;
  const last = runs[runs.length - 1];
  // Neighbouring tokens share cache lines of the key region: whole panels of positions a piece.
  const per = Math.max(KV_PANEL, rowsPerPiece(last.row + last.rows, heads * headDim, 1 << 15) & -KV_PANEL);
  p.emit(Op.storeKV, Math.ceil((last.row + last.rows) / per), [
    o.k,
    o.v,
    o.pages,
    Kv[o.type],
    pointer,
    runs.length,
    heads,
    headDim,
    o.kStride ?? heads * headDim,
    o.vStride ?? heads * headDim,
    kvPageBytes(o.type, heads, headDim),
    per,
  ]);
}
