/** Llama 2 and 3: grouped-query attention without q and k norms; Llama 3's scaled rope. */
import { Attention } from './attention.js';
import { TransformerBlock } from './block.js';
import { readBaseConfig } from './config.js';
import { decoder } from './decoder.js';
import { MLP } from './mlp.js';
import type { Architecture } from './model.js';
import { readRope } from './rope.js';

export const llama: Architecture = (c, w, layer) => {
  const config = readBaseConfig(c);
  // GGUF keeps Llama 3's rope scaling as one divisor for each pair of dimensions.
  const divisors = w.has('rope_freqs.weight') ? w.values('rope_freqs.weight', config.head_dim / 2) : undefined;
  const rope = readRope(c, config.head_dim, divisors);
  const bias = c.flag('attention_bias', false);
  return decoder(c, config, w, layer, {
    rope,
    block: (w) =>
      new TransformerBlock(
        w,
        config,
        new Attention(w.at('self_attn'), config, rope, { qkvBias: bias, outputBias: bias }),
        new MLP(w.at('mlp'), config.hidden_size, config.intermediate_size, c.flag('mlp_bias', false)),
      ),
  });
};
