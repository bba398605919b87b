/** The KV cache of one layer: two regions, one for keys and one for values, each laid out as kernels/kv.ts says. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import type { Batch } from './batch.js';
import { KV_BLOCK, KV_PANEL, Kv } from './kv-constants.js';
import { Q8_0_BLOCK } from './layout-constants.js';
import { rowsPerPiece } from './pieces.js';

export type KvType = keyof typeof Kv;

/** Positions are allocated in whole panels. */
export const wholePanels = (n: number): number => Math.ceil(n / KV_PANEL) * KV_PANEL;

/** Bytes of the keys (or of the values) of one layer and sequence. */
export function kvBytes(type: KvType, kvHeads: number, headDim: number, capacity: number): number {
  if (type === 'int8') {
    return kvHeads * Math.ceil(headDim / KV_BLOCK) * Math.ceil(capacity / KV_PANEL) * Q8_0_BLOCK;
  }
  return kvHeads * wholePanels(headDim) * wholePanels(capacity) * (type === 'f16' ? 2 : 4);
}

export interface StoreKV {
  /** [rows of the step, heads, headDim], heads side by side. */
  k: number;
  v: number;
  /** The regions of slot 0, kvBytes() long. */
  keys: number;
  values: number;
  /** From a slot's regions to the next's. */
  slotBytes: number;
  batch: Batch;
  type: KvType;
  heads: number;
  headDim: number;
  /** From row to row; default heads · headDim. */
  kStride?: number;
  vStride?: number;
  /** Positions of a slot. */
  capacity: number;
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
    o.keys,
    o.values,
    Kv[o.type],
    pointer,
    runs.length,
    heads,
    headDim,
    o.kStride ?? heads * headDim,
    o.vStride ?? heads * headDim,
    wholePanels(o.capacity),
    o.slotBytes,
    per,
  ]);
}
