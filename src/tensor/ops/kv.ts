/** The KV cache of one layer: two regions, one for keys and one for values, each laid out as kernels/kv.ts says. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';

export type KvType = 'f16' | 'f32';

/** Positions and dimensions are allocated in eights. */
export const roundUp8 = (n: number): number => Math.ceil(n / 8) * 8;

/** Bytes of the keys (or of the values) of one layer. */
export function kvBytes(type: KvType, kvHeads: number, headDim: number, capacity: number): number {
  return kvHeads * roundUp8(headDim) * roundUp8(capacity) * (type === 'f16' ? 2 : 4);
}

export interface StoreKV {
  /** [tokens, heads, headDim], heads side by side. */
  src: number;
  /** The region for keys or for values, kvBytes() long. */
  dst: number;
  part: 'keys' | 'values';
  type: KvType;
  tokens: number;
  heads: number;
  headDim: number;
  /** From token to token; default heads · headDim. */
  srcStride?: number;
  /** Of the first token. */
  position: number;
  capacity: number;
}

/** Writes keys (after rope) or values of consecutive positions into the cache. f16 rounds to nearest even. */
export function storeKV(p: Program, o: StoreKV): void {
  const { src, dst, part, type, tokens, heads, headDim, position, capacity } = o;
  // Neighbouring tokens share cache lines of the key region: whole groups of eight positions a piece.
  const per = Math.max(8, rowsPerPiece(tokens, heads * headDim, 1 << 14) & ~7);
  p.emit(Op.storeKV, Math.ceil(tokens / per), [
    src,
    dst,
    type === 'f16' ? 1 : 0,
    tokens,
    heads,
    headDim,
    o.srcStride ?? heads * headDim,
    position,
    roundUp8(capacity),
    part === 'keys' ? 1 : 0,
    per,
  ]);
}
