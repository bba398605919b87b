/**
 * What a model is made of: the operations of a transformer block, over an abstract tensor `T`. A model file
 * describes its block with them once; an executor gives them meaning (generate/recorder.ts computes with quantised
 * weights and a cache; a trainer records a tape).
 *
 * Activations are [tokens, columns], float32. `slice` makes views; every operation accepts them.
 */

import type { Rope } from './rope.js';
import type { ConvState, DeltaState, KVCache } from './state.js';
import type { Experts, Linear, Norm, Vector } from './weights.js';

export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Multiplies q·k; 1/√headDim unless a model says otherwise. */
  scale: number;
  /** Further factor on the query of the token at each position (LogN attention); absent: 1. */
  queryScale?: (position: number) => number;
}

export interface DeltaShape {
  keyHeads: number;
  valueHeads: number;
  keyDim: number;
  valueDim: number;
  /** Value head j uses key head j mod keyHeads (GGUF's order) and not floor(j / (valueHeads / keyHeads)). */
  tiled: boolean;
}

export interface Ops<T> {
  /** x·Wᵀ + b, [tokens, out]. With `residual`, adds onto it and returns it; the residual's old value is gone. */
  linear(x: T, w: Linear, residual?: T): T;
  /** Several linear layers of the same x; an executor may compute them as one. */
  linears(x: T, layers: readonly Linear[]): T[];
  /** x / √(mean(x²) + eps) · w over each row; with `heads`, over each of so many equal parts of a row. */
  rmsNorm(x: T, w: Norm, heads?: number): T;
  /** Columns [from, from + columns) as a view. With `period`, those columns of each group of `period` columns, packed. */
  slice(x: T, from: number, columns: number, period?: number): T;
  /** Rotary position embedding of each head of the current tokens. */
  rope(x: T, heads: number, headDim: number, rope: Rope): T;
  /** Causal attention over the cache, which first takes in k and v. [tokens, heads × headDim]. */
  attention(q: T, k: T, v: T, cache: KVCache, shape: AttentionShape): T;
  /** silu(gate) · up. */
  swiglu(gate: T, up: T): T;
  /** x · sigmoid(gate). */
  sigmoidGate(x: T, gate: T): T;
  /** Causal depthwise convolution over time, then SiLU; the state holds the inputs that came before. */
  conv(x: T, weight: Vector, state: ConvState): T;
  /** Gated delta rule (arXiv:2412.06464) over normalised q and k. [tokens, valueHeads × valueDim]. */
  deltaRule(qkv: T, a: T, b: T, w: { aLog: Vector; dtBias: Vector }, state: DeltaState, shape: DeltaShape): T;
  /** rmsNorm of each head of x, times silu(gate). */
  gatedNorm(x: T, gate: T, w: Norm, heads: number): T;
  /** Top-k mixture of SwiGLU experts, added onto `residual`. */
  experts(x: T, w: Experts, residual: T): T;
}
