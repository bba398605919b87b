import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';

export interface Rope {
  /** [tokens, rotaryDim / 2], with every scaling of positions and amplitudes folded in. */
  cos: number;
  sin: number;
  tokens: number;
  headDim: number;
  /** The first dimensions of a head that rotate; the others pass. Default headDim. */
  rotaryDim?: number;
  /** Pairs are (2i, 2i + 1) instead of (i, i + rotaryDim / 2). */
  interleaved?: boolean;
  /** What is rotated: one or two, as queries and keys are. */
  parts: readonly [RopePart, RopePart?];
}

export interface RopePart {
  /** [tokens, heads, headDim]. */
  x: number;
  /** Contiguous. Default: x, in place. */
  y?: number;
  heads: number;
  tokenStride?: number;
  headStride?: number;
  /** An RMS norm of each head that comes first, as `rmsNorm` computes it. */
  norm?: HeadNorm;
}

export interface HeadNorm {
  /** [headDim]. */
  weight: number;
  eps: number;
  weightOffset: number;
}

/** Rotary position embedding (arXiv:2104.09864). */
export function rope(p: Program, o: Rope): void {
  const { cos, sin, tokens, headDim, rotaryDim = headDim, interleaved = false } = o;
  const [first, second] = o.parts;
  const heads = first.heads + (second?.heads ?? 0);
  const per = rowsPerPiece(tokens, heads * headDim, 1 << 14);
  const ints = [cos, sin, tokens, headDim, rotaryDim, interleaved ? 1 : 0, per];
  const floats: number[] = [];
  for (const part of [first, second]) {
    if (!part) break;
    const { x, y = x, heads, headStride = headDim, tokenStride = heads * headStride, norm } = part;
    ints.push(x, y, heads, tokenStride, headStride, norm?.weight ?? 0);
    floats.push(norm?.eps ?? 0, norm?.weightOffset ?? 0);
  }
  p.emit(Op.rope, Math.ceil(tokens / per), ints, floats);
}
