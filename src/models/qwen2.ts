/** Qwen2 and Qwen2.5: grouped-query attention with biased q, k and v; SwiGLU; tied or separate output head. */
import { Attention } from './attention.js';
import { TransformerBlock } from './block.js';
import { readBaseConfig } from './config.js';
import { decoder } from './decoder.js';
import { MLP } from './mlp.js';
import type { Architecture } from './model.js';
import { readRope } from './rope.js';

export const qwen2: Architecture = (c, w, layer) => {
  const config = readBaseConfig(c);
  const rope = readRope(c, config.head_dim);
  return decoder(c, config, w, layer, {
    rope,
    block: (w) =>
      new TransformerBlock(
        w,
        config,
        new Attention(w.at('self_attn'), config, rope, { qkvBias: true }),
        new MLP(w.at('mlp'), config.hidden_size, config.intermediate_size),
      ),
  });
};
