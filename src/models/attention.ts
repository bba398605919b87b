/**
 * Grouped-query self-attention with the variations of the family: biased q, k and v (Qwen2), RMSNorm on each
 * head's q and k (Qwen3), a sigmoid gate on the output (Qwen3.5), a free head dimension, partial rotation.
 */
import type { BaseConfig } from './config.js';
import type { AttentionShape, Ops } from './ops.js';
import type { Rope } from './rope.js';
import type { KVCache } from './state.js';
import type { Linear, Norm, Weights } from './weights.js';

export interface AttentionVariant {
  qkvBias?: boolean;
  outputBias?: boolean;
  qkNorm?: boolean;
  normOffset?: 0 | 1;
  /** q_proj yields for each head its query and then a gate of the same size. */
  gated?: boolean;
}

export class Attention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly q_norm?: Norm;
  readonly k_norm?: Norm;
  readonly cache: KVCache;
  private readonly shape: AttentionShape;
  private readonly gated: boolean;

  constructor(
    w: Weights,
    c: BaseConfig,
    private readonly position: Rope,
    variant: AttentionVariant = {},
  ) {
    const { hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headDim } = c;
    const bias = variant.qkvBias ?? false;
    this.gated = variant.gated ?? false;
    this.q_proj = w.linear('q_proj', heads * headDim * (this.gated ? 2 : 1), hidden, bias);
    this.k_proj = w.linear('k_proj', kvHeads * headDim, hidden, bias);
    this.v_proj = w.linear('v_proj', kvHeads * headDim, hidden, bias);
    this.o_proj = w.linear('o_proj', hidden, heads * headDim, variant.outputBias ?? false);
    if (variant.qkNorm) {
      this.q_norm = w.norm('q_norm', headDim, c.rms_norm_eps, variant.normOffset);
      this.k_norm = w.norm('k_norm', headDim, c.rms_norm_eps, variant.normOffset);
    }
    this.shape = { heads, kvHeads, headDim, scale: 1 / Math.sqrt(headDim) };
    this.cache = { kind: 'kv', kvHeads, headDim };
  }

  forward<T>(o: Ops<T>, x: T, residual: T): T {
    const { heads, kvHeads, headDim } = this.shape;
    const [projected, keys, v] = o.linears(x, [this.q_proj, this.k_proj, this.v_proj]);
    let q = this.gated ? o.slice(projected, 0, headDim, 2 * headDim) : projected;
    let k = keys;
    if (this.q_norm) q = o.rmsNorm(q, this.q_norm, heads);
    if (this.k_norm) k = o.rmsNorm(k, this.k_norm, kvHeads);
    q = o.rope(q, heads, headDim, this.position);
    k = o.rope(k, kvHeads, headDim, this.position);
    let y = o.attention(q, k, v, this.cache, this.shape);
    if (this.gated) y = o.sigmoidGate(y, o.slice(projected, headDim, headDim, 2 * headDim));
    return o.linear(y, this.o_proj, residual);
  }
}
