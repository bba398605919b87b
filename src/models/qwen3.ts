/** Qwen3: no biases, RMSNorm on each head's q and k, a head dimension of its own, YaRN for long contexts. */
import { Attention } from './attention.js';
import { TransformerBlock } from './block.js';
import { readBaseConfig } from './config.js';
import { decoder } from './decoder.js';
import { MLP } from './mlp.js';
import type { Architecture } from './model.js';
import { readRope } from './rope.js';

export const qwen3: Architecture = (c, w, layer) => {
  const config = readBaseConfig(c);
  const rope = readRope(c, config.head_dim);
  const variant = {
    qkNorm: true,
    qkvBias: c.flag('attention_bias', false),
    outputBias: c.flag('attention_bias', false),
  };
  return decoder(c, config, w, layer, {
    rope,
    block: (w) =>
      new TransformerBlock(
        w,
        config,
        new Attention(w.at('self_attn'), config, rope, variant),
        new MLP(w.at('mlp'), config.hidden_size, config.intermediate_size),
      ),
  });
};
