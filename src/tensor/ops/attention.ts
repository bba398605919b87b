import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import type { Batch, Run } from './batch.js';
import { type KvType, wholePanels } from './kv.js';
import { DECODE_ROWS, KV_BLOCK, Kv, RANGE } from './kv-constants.js';

/** Query rows (tokens × heads that share a KV head) a piece of a long run: they read each block of keys together. */
const ROWS = 32;

export interface Attention {
  /** [rows of the step, heads, headDim], heads side by side. */
  q: number;
  /** The regions that storeKV fills, of slot 0; every run's positions up to its last row must be there. */
  keys: number;
  values: number;
  /** From a slot's regions to the next's. */
  slotBytes: number;
  /** [rows of the step, heads, headDim], heads side by side. May be q. */
  out: number;
  /** attentionWorkBytes() of memory that nothing else uses during the operation. */
  work: number;
  batch: Batch;
  type: KvType;
  heads: number;
  kvHeads: number;
  headDim: number;
  qStride?: number;
  outStride?: number;
  /** Of the scores: 1/√headDim as a rule. */
  scale: number;
  /** Positions of a slot. */
  capacity: number;
  /** A factor for every row's scores, [rows of the step] (LogN attention). 0: none. */
  qScale?: number;
}

/** Bytes that `attention` needs beside its operands, wherever in a sequence the runs are. */
export function attentionWorkBytes(runs: readonly Run[], heads: number, headDim: number, capacity: number): number {
  const rows = runs.reduce((sum, run) => sum + (run.rows <= DECODE_ROWS ? run.rows : 0), 0);
  return rows * heads * Math.ceil(capacity / RANGE) * (Math.ceil(headDim / KV_BLOCK) * KV_BLOCK + 4) * 4;
}

/**
 * Causal attention: a row sees its sequence's positions up to its own. Rows of a run of up to DECODE_ROWS rows get bit
 * for bit what each would get in a run of its own.
 */
export function attention(p: Program, o: Attention): void {
  const { heads, kvHeads, headDim } = o;
  const width = heads * headDim;
  const perPiece = Math.max(1, Math.floor(ROWS / (heads / kvHeads)));
  let pieces = 0;
  let ranges = 1;
  let decodeRows = 0;
  for (const { rows, position } of o.batch.runs) {
    if (rows <= DECODE_ROWS) {
      const own = Math.ceil((position + rows) / RANGE);
      ranges = Math.max(ranges, own);
      pieces += kvHeads * own;
      decodeRows += rows;
    } else pieces += kvHeads * Math.ceil(rows / perPiece);
  }
  const ints = [
    o.q,
    o.keys,
    o.values,
    o.out,
    o.work,
    o.qScale ?? 0,
    Kv[o.type],
    o.batch.pointer,
    o.batch.runs.length,
    heads,
    kvHeads,
    headDim,
    o.qStride ?? width,
    o.outStride ?? width,
    wholePanels(o.capacity),
    o.slotBytes,
    ranges,
  ];
  p.emit(Op.attention, pieces, [...ints, perPiece], [o.scale]);
  if (ranges > 1) {
    const merged = Math.max(1, Math.floor(65_536 / (ranges * headDim)));
    p.emit(Op.attentionCombine, Math.ceil((decodeRows * heads) / merged), [...ints, merged]);
  }
}
