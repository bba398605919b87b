/** The gated delta rule of Qwen3-Next and Qwen3.5 (arXiv:2412.06464). The mathematics stands in kernels/delta.ts. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';

export interface DeltaGates {
  /** [tokens, heads]. */
  a: number;
  b: number;
  /** [heads]. */
  aLog: number;
  dtBias: number;
  /** [tokens, heads], contiguous: logarithm of the decay, at most 0. */
  g: number;
  /** [tokens, heads], contiguous. */
  beta: number;
  tokens: number;
  heads: number;
  aStride?: number;
  bStride?: number;
}

/** g = −exp(aLog) · softplus(a + dtBias), beta = sigmoid(b). */
export function deltaGates(p: Program, o: DeltaGates): void {
  const { a, b, aLog, dtBias, g, beta, tokens, heads, aStride = heads, bStride = heads } = o;
  const per = rowsPerPiece(tokens, heads, 512);
  p.emit(Op.deltaGates, Math.ceil(tokens / per), [a, b, aLog, dtBias, g, beta, tokens, heads, aStride, bStride, per]);
}

/** Bytes of one layer's recurrent state; all zero at the start of a sequence. */
export function deltaStateBytes(valueHeads: number, keyDim: number, valueDim: number): number {
  return valueHeads * Math.ceil(keyDim / 4) * 4 * Math.ceil(valueDim / 8) * 8 * 4;
}

export interface DeltaRule {
  /** [tokens, keyHeads, keyDim], heads side by side, not yet normalised. */
  q: number;
  k: number;
  /** [tokens, valueHeads, valueDim], heads side by side. */
  v: number;
  /** [tokens, valueHeads], contiguous. */
  g: number;
  beta: number;
  /** deltaStateBytes() long; updated. */
  state: number;
  /** [tokens, valueHeads, valueDim]; must not overlap the inputs. */
  out: number;
  tokens: number;
  keyHeads: number;
  valueHeads: number;
  keyDim: number;
  valueDim: number;
  qStride?: number;
  kStride?: number;
  vStride?: number;
  outStride?: number;
  /** Value head j uses key head j mod keyHeads (GGUF's order) instead of floor(j / (valueHeads / keyHeads)). */
  tiled?: boolean;
  /** Of the queries after normalisation; default 1/√keyDim. */
  scale?: number;
  /** In the normalisation of q and k; default 1e-6. */
  eps?: number;
}

/** Fewer tokens go one by one: what a token gets must not depend on up to 15 others of its step. */
const CHUNKED_FROM = 17;

/**
 * out = the gated delta rule over `tokens` tokens, each value head by itself. Tokens depend on one another, so a piece
 * is a whole head (or, where heads are few, half of one) and long for a long call.
 */
export function deltaRule(p: Program, o: DeltaRule): void {
  const { tokens, keyHeads, valueHeads, keyDim, valueDim, tiled = false } = o;
  const { scale = 1 / Math.sqrt(keyDim), eps = 1e-6 } = o;
  const chunked = tokens >= CHUNKED_FROM;
  const panels = Math.ceil(valueDim / 8);
  // Parts of a head repeat the products of keys and queries: only where heads are few.
  const per = chunked && valueHeads < 32 ? Math.min(panels, 8) : panels;
  p.emit(
    Op.deltaRule,
    valueHeads * Math.ceil(panels / per),
    [
      o.q,
      o.k,
      o.v,
      o.g,
      o.beta,
      o.state,
      o.out,
      tokens,
      keyHeads,
      valueHeads,
      keyDim,
      valueDim,
      o.qStride ?? keyHeads * keyDim,
      o.kStride ?? keyHeads * keyDim,
      o.vStride ?? valueHeads * valueDim,
      o.outStride ?? valueHeads * valueDim,
      tiled ? 1 : 0,
      per,
      chunked ? 1 : 0,
    ],
    [scale, eps],
  );
}
