import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import type { Batch, Run } from './batch.js';
import { type KvType, kvPageBytes } from './kv.js';
import { DECODE_ROWS, KV_BLOCK, Kv, RANGE, Run as RunWords } from './kv-constants.js';

/** Query rows (tokens × heads that share a KV head) a piece of a long run: they read each block of keys together. */
const ROWS = 32;

export interface Attention {
  /** [rows of the step, heads, headDim], heads side by side. */
  q: number;
  /** Page 0 of the layer, as storeKV fills them; every run's positions up to its last row must be there. */
  pages: number;
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
  /** A factor for every row's scores, [rows of the step] (LogN attention). 0: none. */
  qScale?: number;
}

/** Rows of short runs that share work memory: a step of more takes several records, one after the other. */
const WORK_ROWS = 16;

/** Bytes that `attention` needs beside its operands, for sequences of up to `capacity` positions. */
export function attentionWorkBytes(runs: readonly Run[], heads: number, headDim: number, capacity: number): number {
  const rows = runs.reduce((sum, run) => sum + (run.rows <= DECODE_ROWS ? run.rows : 0), 0);
  const depth = Math.ceil(headDim / KV_BLOCK) * KV_BLOCK;
  return Math.min(rows, WORK_ROWS) * heads * Math.ceil(capacity / RANGE) * (depth + 4) * 4;
}

/**
 * Causal attention: a row sees its sequence's positions up to its own. Rows of a run of up to DECODE_ROWS rows get bit
 * for bit what each would get in a run of its own.
 */
export function attention(p: Program, o: Attention): void {
  const { runs } = o.batch;
  let first = 0;
  let decoded = 0;
  runs.forEach(({ rows }, i) => {
    const own = rows <= DECODE_ROWS ? rows : 0;
    if (decoded + own > WORK_ROWS) {
      record(p, o, first, i);
      first = i;
      decoded = 0;
    }
    decoded += own;
  });
  record(p, o, first, runs.length);
}

/** The runs from `first` to before `end`. */
function record(p: Program, o: Attention, first: number, end: number): void {
  const { heads, kvHeads, headDim } = o;
  const width = heads * headDim;
  const perPiece = Math.max(1, Math.floor(ROWS / (heads / kvHeads)));
  let pieces = 0;
  let ranges = 1;
  let decodeRows = 0;
  for (let i = first; i < end; i++) {
    const { rows, position } = o.batch.runs[i];
    if (rows <= DECODE_ROWS) {
      const own = Math.ceil((position + rows) / RANGE);
      ranges = Math.max(ranges, own);
      pieces += kvHeads * own;
      decodeRows += rows;
    } else pieces += kvHeads * Math.ceil(rows / perPiece);
  }
  const ints = [
    o.q,
    o.pages,
    o.out,
    o.work,
    o.qScale ?? 0,
    Kv[o.type],
    o.batch.pointer + 4 * RunWords.size * first,
    end - first,
    heads,
    kvHeads,
    headDim,
    o.qStride ?? width,
    o.outStride ?? width,
    kvPageBytes(o.type, kvHeads, headDim),
    ranges,
  ];
  p.emit(Op.attention, pieces, [...ints, perPiece], [o.scale]);
  if (ranges > 1 && decodeRows > 0) {
    const merged = Math.max(1, Math.floor(65_536 / (ranges * headDim)));
    p.emit(Op.attentionCombine, Math.ceil((decodeRows * heads) / merged), [...ints, merged]);
  }
}
