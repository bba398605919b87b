import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';

export interface Rope {
  /** [tokens, heads, headDim]. */
  x: number;
  /** Default: x, in place. */
  y?: number;
  /** [tokens, rotaryDim / 2], with every scaling of positions and amplitudes folded in. */
  cos: number;
  sin: number;
  tokens: number;
  heads: number;
  headDim: number;
  /** The first dimensions of a head that rotate; the others pass. Default headDim. */
  rotaryDim?: number;
  tokenStride?: number;
  headStride?: number;
  yTokenStride?: number;
  yHeadStride?: number;
  /** Pairs are (2i, 2i + 1) instead of (i, i + rotaryDim / 2). */
  interleaved?: boolean;
}

/** Rotary position embedding (arXiv:2104.09864). */
export function rope(p: Program, o: Rope): void {
  const { x, y = x, cos, sin, tokens, heads, headDim, rotaryDim = headDim, interleaved = false } = o;
  const { headStride = headDim } = o;
  const { tokenStride = heads * headStride } = o;
  const yHeadStride = o.yHeadStride ?? (y === x ? headStride : headDim);
  const yTokenStride = o.yTokenStride ?? (y === x ? tokenStride : heads * yHeadStride);
  const per = rowsPerPiece(tokens, heads * headDim, 1 << 14);
  p.emit(Op.rope, Math.ceil(tokens / per), [
    x,
    y,
    cos,
    sin,
    tokens,
    heads,
    headDim,
    rotaryDim,
    tokenStride,
    headStride,
    yTokenStride,
    yHeadStride,
    interleaved ? 1 : 0,
    per,
  ]);
}
