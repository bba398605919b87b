/**
 * The first generation of Qwen: one fused, biased projection for q, k and v; dynamic NTK rope and LogN-scaled
 * queries past the trained length; `intermediate_size` counts both halves of the SwiGLU.
 */
import type { ConfigReader } from './config.js';
import { outputHead } from './decoder.js';
import type { Architecture, Block } from './model.js';
import type { AttentionShape, Ops } from './ops.js';
import { dynamicNtkRope, fixed, plainFrequencies, type Rope } from './rope.js';
import type { KVCache, State } from './state.js';
import type { Linear, Norm, Weights } from './weights.js';

export const qwen: Architecture = (c, w, layer) => {
  const hidden = c.count('hidden_size');
  const vocab = c.count('vocab_size');
  const layers = c.count('num_hidden_layers');
  const headDim = c.count('kv_channels', Math.floor(hidden / c.count('num_attention_heads')));
  const trained = c.count('seq_length', 8192);
  const theta = c.number('rotary_emb_base', 10_000);
  if (theta <= 1) throw c.wrong('rotary_emb_base', 'above 1');
  if (headDim % 2 !== 0 || headDim > 512) throw c.wrong('kv_channels', 'even and at most 512');
  const rope = c.flag('use_dynamic_ntk', true)
    ? dynamicNtkRope(headDim, theta, trained)
    : fixed(headDim, false, plainFrequencies(headDim, theta));
  const transformer = w.at('transformer');
  const embedding = transformer.weight('wte.weight', vocab, hidden);
  const blocks = Array.from({ length: layers }, (_, index) => {
    layer(index);
    return new QwenBlock(transformer.at('h').at(index), c, rope, { hidden, headDim, trained });
  });
  layer(layers);
  return {
    vocabSize: vocab,
    hiddenSize: hidden,
    maxContext: c.count('max_position_embeddings', 8192),
    embedding,
    blocks,
    norm: transformer.norm('ln_f', hidden, c.number('layer_norm_epsilon', 1e-6)),
    head: outputHead(c, w, embedding, vocab, hidden),
    rope,
  };
};

class QwenBlock implements Block {
  readonly ln_1: Norm;
  readonly ln_2: Norm;
  readonly c_attn: Linear;
  readonly attn_c_proj: Linear;
  readonly w1: Linear;
  readonly w2: Linear;
  readonly mlp_c_proj: Linear;
  readonly states: readonly State[];
  private readonly shape: AttentionShape;
  private readonly cache: KVCache;

  constructor(
    w: Weights,
    c: ConfigReader,
    private readonly position: Rope,
    size: { hidden: number; headDim: number; trained: number },
  ) {
    const { hidden, headDim, trained } = size;
    const heads = c.count('num_attention_heads');
    const eps = c.number('layer_norm_epsilon', 1e-6);
    const inner = c.count('intermediate_size') / 2;
    if (!Number.isInteger(inner)) throw c.wrong('intermediate_size', 'even');
    this.ln_1 = w.norm('ln_1', hidden, eps);
    this.ln_2 = w.norm('ln_2', hidden, eps);
    this.c_attn = w.linear('attn.c_attn', 3 * heads * headDim, hidden, true);
    this.attn_c_proj = w.linear('attn.c_proj', hidden, heads * headDim);
    this.w1 = w.linear('mlp.w1', inner, hidden);
    this.w2 = w.linear('mlp.w2', inner, hidden);
    this.mlp_c_proj = w.linear('mlp.c_proj', hidden, inner);
    const logn = c.flag('use_logn_attn', true);
    this.shape = {
      heads,
      kvHeads: heads,
      headDim,
      scale: 1 / Math.sqrt(headDim),
      // Queries past the trained length are scaled by the logarithm of their position to that base.
      queryScale: logn ? (p) => Math.max(1, Math.log(p + 1) / Math.log(trained)) : undefined,
    };
    this.cache = { kind: 'kv', kvHeads: heads, headDim };
    this.states = [this.cache];
  }

  forward<T>(o: Ops<T>, x: T): T {
    const { heads, headDim } = this.shape;
    const size = heads * headDim;
    const qkv = o.linear(o.rmsNorm(x, this.ln_1), this.c_attn);
    const q = o.rope(o.slice(qkv, 0, size), heads, headDim, this.position);
    const k = o.rope(o.slice(qkv, size, size), heads, headDim, this.position);
    const v = o.slice(qkv, 2 * size, size);
    const h = o.linear(o.attention(q, k, v, this.cache, this.shape), this.attn_c_proj, x);
    const n = o.rmsNorm(h, this.ln_2);
    const [up, gate] = o.linears(n, [this.w1, this.w2]);
    return o.linear(o.swiglu(gate, up), this.mlp_c_proj, h);
  }
}
