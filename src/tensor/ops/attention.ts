import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { type KvType, roundUp8 } from './kv.js';

/** One token's context is read in ranges of this many positions, so that several members can share a KV head. */
const RANGE = 512;
/** Query rows (tokens × heads that share a KV head) a piece: they read each block of keys together. */
const ROWS = 32;

export interface Attention {
  /** [tokens, heads, headDim], heads side by side. */
  q: number;
  /** The regions that storeKV fills; position + tokens positions must be there. */
  keys: number;
  values: number;
  /** [tokens, heads, headDim], heads side by side. May be q. */
  out: number;
  /** attentionWorkBytes() of memory that nothing else uses during the operation. */
  work: number;
  type: KvType;
  tokens: number;
  /** Positions in the cache before the first of these tokens. */
  position: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  qStride?: number;
  outStride?: number;
  /** Of the scores: 1/√headDim as a rule. */
  scale: number;
  capacity: number;
  /** A factor for every token's scores, [tokens] (LogN attention). 0: none. */
  qScale?: number;
}

/** Bytes that `attention` needs beside its operands; the same for every layer and step. */
export function attentionWorkBytes(heads: number, headDim: number, capacity: number): number {
  return heads * Math.ceil(capacity / RANGE) * (roundUp8(headDim) + 4) * 4;
}

/** Causal attention: token t sees positions 0 to position + t. */
export function attention(p: Program, o: Attention): void {
  const { tokens, position, heads, kvHeads, headDim } = o;
  const width = heads * headDim;
  const context = position + tokens;
  const ranges = tokens === 1 ? Math.ceil(context / RANGE) : 1;
  const perPiece = Math.max(1, Math.floor(ROWS / (heads / kvHeads)));
  const ints = [
    o.q,
    o.keys,
    o.values,
    o.out,
    o.work,
    o.qScale ?? 0,
    o.type === 'f16' ? 1 : 0,
    tokens,
    position,
    heads,
    kvHeads,
    headDim,
    o.qStride ?? width,
    o.outStride ?? width,
    roundUp8(o.capacity),
  ];
  const range = ranges > 1 ? RANGE : context;
  p.emit(Op.attention, Math.ceil(tokens / perPiece) * kvHeads * ranges, [...ints, perPiece, ranges, range], [o.scale]);
  if (ranges > 1) {
    const headsPerPiece = Math.max(1, Math.floor(65_536 / (ranges * headDim)));
    p.emit(Op.attentionCombine, Math.ceil(heads / headsPerPiece), [...ints, headsPerPiece, ranges, range]);
  }
}
