/** Gradients of a mixture of experts: of adding the answers up, of choosing, and of handing rows out (moe.ts). */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece, rowsPerPiece } from './pieces.js';

export interface CombineBackward {
  /** [tokens · topK, cols], sorted by expert, as combine() read it. */
  y: number;
  /** i32 [tokens, topK], of gather(). */
  inverse: number;
  /** [tokens, topK]. */
  weights: number;
  /** [tokens, cols]. */
  dOut: number;
  dOutStride?: number;
  /** [tokens · topK, cols], sorted; overwritten. May be y. */
  dy: number;
  /** [tokens, topK]; overwritten. */
  dWeights: number;
  tokens: number;
  topK: number;
  cols: number;
}

/** dWeights[t, k] = dOut[t] · y[inverse[t, k]]; dy[inverse[t, k]] = weights[t, k] · dOut[t]. */
export function combineBackward(p: Program, o: CombineBackward): void {
  const { y, inverse, weights, dOut, dy, dWeights, tokens, topK, cols, dOutStride = cols } = o;
  const per = rowsPerPiece(tokens, topK * cols, 1 << 15);
  const ints = [y, inverse, weights, dOut, dy, dWeights, tokens, topK, cols, dOutStride, per];
  p.emit(Op.combineBackward, Math.ceil(tokens / per), ints);
}

export interface RouteBackward {
  /** [tokens, experts], as route() read them. */
  logits: number;
  /** i32 [tokens, topK] and [tokens, topK], as route() left them. */
  ids: number;
  weights: number;
  /** [tokens, topK]. */
  dWeights: number;
  /** [tokens, experts]; overwritten. */
  dLogits: number;
  tokens: number;
  experts: number;
  topK: number;
  normalize: boolean;
  /** Default 1. */
  scale?: number;
}

/** Through the softmax and, if asked for, the division by the chosen probabilities' sum; the choice itself has none. */
export function routeBackward(p: Program, o: RouteBackward): void {
  const { logits, ids, weights, dWeights, dLogits, tokens, experts, topK, normalize, scale = 1 } = o;
  const per = rowsPerPiece(tokens, experts, 1 << 13);
  const ints = [logits, ids, weights, dWeights, dLogits, tokens, experts, topK, normalize ? 1 : 0, per];
  p.emit(Op.routeBackward, Math.ceil(tokens / per), ints, [scale]);
}

export interface GatherBackward {
  /** [tokens · topK, cols], sorted by expert. */
  dxs: number;
  /** i32 [tokens, topK], of gather(). */
  inverse: number;
  /** [tokens, cols]. */
  dx: number;
  dxStride?: number;
  /** Add to what dx holds instead of replacing it. */
  accumulate?: boolean;
  tokens: number;
  topK: number;
  cols: number;
}

/** dx[t] (+)= Σ_k dxs[inverse[t, k]]. */
export function gatherBackward(p: Program, o: GatherBackward): void {
  const { dxs, inverse, dx, tokens, topK, cols, dxStride = cols, accumulate = false } = o;
  const per = columnsPerPiece(cols, Math.max(64, Math.floor((1 << 15) / topK)));
  const rows = rowsPerPiece(tokens, topK * Math.min(per, cols), 1 << 15);
  const pieces = Math.ceil(tokens / rows) * Math.ceil(cols / per);
  p.emit(Op.gatherBackward, pieces, [dxs, inverse, dx, tokens, topK, cols, dxStride, per, rows, accumulate ? 1 : 0]);
}
