/** Routing tokens to experts and back. An assignment is the pair (token, slot), numbered token · topK + slot. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece, rowsPerPiece } from './pieces.js';

export interface Route {
  /** [tokens, experts]. */
  logits: number;
  tokens: number;
  experts: number;
  topK: number;
  /** Divide the chosen probabilities by their sum (norm_topk_prob). */
  normalize: boolean;
  /** A factor on the weights. Default 1. */
  scale?: number;
  /** i32 [tokens, topK], most probable first. */
  ids: number;
  /** [tokens, topK]. */
  weights: number;
}

/** Softmax over all experts, then the topK largest; the lower index wins a tie. */
export function route(p: Program, o: Route): void {
  const { logits, tokens, experts, topK, normalize, scale = 1, ids, weights } = o;
  const per = rowsPerPiece(tokens, experts * topK, 1 << 13);
  const ints = [logits, ids, weights, tokens, experts, topK, normalize ? 1 : 0, per];
  p.emit(Op.route, Math.ceil(tokens / per), ints, [scale]);
}

export interface Gather {
  /** i32 [tokens, topK], of route(). */
  ids: number;
  tokens: number;
  topK: number;
  experts: number;
  /** i32 [experts + 1]: the sorted rows of expert e are offsets[e] to offsets[e + 1]. */
  offsets: number;
  /** i32 [tokens · topK]: the assignment at each sorted row. */
  order: number;
  /** i32 [tokens · topK]: the sorted row of each assignment. */
  inverse: number;
  /** [tokens, cols]. */
  x: number;
  /** [tokens · topK, cols]: each assignment's row of x, sorted by expert. */
  xs: number;
  cols: number;
  xStride?: number;
}

/** Sorts assignments by expert (in order of token within one) and copies their rows. Two operations. */
export function gather(p: Program, o: Gather): void {
  const { ids, tokens, topK, experts, offsets, order, inverse, x, xs, cols, xStride = cols } = o;
  const n = tokens * topK;
  p.emit(Op.gather, 1, [ids, offsets, order, inverse, n, experts]);
  const per = rowsPerPiece(n, cols, 1 << 16);
  p.emit(Op.gatherRows, Math.ceil(n / per), [x, order, xs, n, topK, cols, xStride, per]);
}

export interface Combine {
  /** [tokens · topK, cols], sorted by expert. */
  y: number;
  inverse: number;
  weights: number;
  /** [tokens, cols]. */
  out: number;
  tokens: number;
  topK: number;
  cols: number;
  /** Add to what `out` holds. Default false. */
  accumulate?: boolean;
}

/** out[t] (+)= Σ_k weights[t, k] · y[inverse[t, k]]. */
export function combine(p: Program, o: Combine): void {
  const { y, inverse, weights, out, tokens, topK, cols, accumulate = false } = o;
  const per = columnsPerPiece(cols, Math.max(64, Math.floor((1 << 15) / topK)));
  const pieces = tokens * Math.ceil(cols / per);
  p.emit(Op.combine, pieces, [y, inverse, weights, out, tokens, topK, cols, accumulate ? 1 : 0, per]);
}
