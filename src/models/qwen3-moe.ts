/** Qwen3 mixture of experts: Qwen3's attention; each token goes to the top-k of many small SwiGLU experts. */
import { Attention } from './attention.js';
import { TransformerBlock } from './block.js';
import { readBaseConfig } from './config.js';
import { decoder } from './decoder.js';
import { MLP } from './mlp.js';
import type { Architecture } from './model.js';
import type { Ops } from './ops.js';
import { readRope } from './rope.js';
import type { Experts, Weights } from './weights.js';

export const qwen3Moe: Architecture = (c, w, layer) => {
  const config = readBaseConfig(c);
  const rope = readRope(c, config.head_dim);
  const variant = {
    qkNorm: true,
    qkvBias: c.flag('attention_bias', false),
    outputBias: c.flag('attention_bias', false),
  };
  const experts = {
    count: c.count('num_experts'),
    topK: c.count('num_experts_per_tok'),
    intermediate: c.count('moe_intermediate_size'),
    normalize: c.flag('norm_topk_prob', false),
    hidden: config.hidden_size,
  };
  if (experts.topK > experts.count) throw c.wrong('num_experts_per_tok', `at most num_experts (${experts.count})`);
  const step = c.count('decoder_sparse_step', 1);
  const dense = new Set(Array.isArray(c.json.mlp_only_layers) ? c.json.mlp_only_layers : []);
  return decoder(c, config, w, layer, {
    rope,
    block: (w, index) =>
      new TransformerBlock(
        w,
        config,
        new Attention(w.at('self_attn'), config, rope, variant),
        dense.has(index) || (index + 1) % step !== 0
          ? new MLP(w.at('mlp'), config.hidden_size, config.intermediate_size)
          : new SparseMLP(w.at('mlp'), experts),
      ),
  });
};

export class SparseMLP {
  readonly experts: Experts;

  constructor(w: Weights, c: Omit<Experts, 'router' | 'gate' | 'up' | 'down'>) {
    this.experts = {
      ...c,
      router: w.linear('gate', c.count, c.hidden),
      gate: w.weight('experts.gate_proj.weight', c.count, c.intermediate, c.hidden),
      up: w.weight('experts.up_proj.weight', c.count, c.intermediate, c.hidden),
      down: w.weight('experts.down_proj.weight', c.count, c.hidden, c.intermediate),
    };
  }

  forward<T>(o: Ops<T>, x: T, residual: T): T {
    return o.experts(x, this.experts, residual);
  }
}
