/** The pre-norm block of Qwen2, Qwen3 and Llama: x + attention(norm(x)), then x + mlp(norm(x)). */
import type { BaseConfig } from './config.js';
import type { Block } from './model.js';
import type { Ops } from './ops.js';
import type { State } from './state.js';
import type { Norm, Weights } from './weights.js';

/** A part of a block: computes from the normalised x and adds onto the residual. */
export interface SubLayer {
  forward<T>(o: Ops<T>, x: T, residual: T): T;
}

export class TransformerBlock implements Block {
  readonly input_layernorm: Norm;
  readonly post_attention_layernorm: Norm;
  readonly states: readonly State[];

  constructor(
    w: Weights,
    c: BaseConfig,
    readonly self_attn: SubLayer & { readonly cache: State },
    readonly mlp: SubLayer,
  ) {
    this.input_layernorm = w.norm('input_layernorm', c.hidden_size, c.rms_norm_eps);
    this.post_attention_layernorm = w.norm('post_attention_layernorm', c.hidden_size, c.rms_norm_eps);
    this.states = [self_attn.cache];
  }

  forward<T>(o: Ops<T>, x: T): T {
    const h = this.self_attn.forward(o, o.rmsNorm(x, this.input_layernorm), x);
    return this.mlp.forward(o, o.rmsNorm(h, this.post_attention_layernorm), h);
  }
}
