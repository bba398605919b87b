/**
 * The shape of a new model from one number, and the rules of thumb that follow from a model's width.
 *
 * `depth` layers of width 64 · depth: 5 million parameters at depth 4 with a vocabulary of 8,192, 110 million at depth
 * 12 with 32,768. Heads of 64 (32 below width 256), two to a key/value head, and MLPs three times as wide as the
 * residual stream, as in Qwen3.
 */
import type { JsonObject } from '../formats/checkpoint.js';

/** Tokens that a parameter is worth training on ("Training compute-optimal large language models", arXiv:2203.15556). */
export const TOKENS_PER_PARAMETER = 20;

/** config.json of a new model; `overrides` win. */
export function modelOfDepth(
  depth: number,
  vocabSize: number,
  context: number,
  overrides: JsonObject = {},
): JsonObject {
  const hidden = typeof overrides.hidden_size === 'number' ? overrides.hidden_size : 64 * depth;
  const headDim = hidden < 256 ? 32 : 64;
  const heads = Math.max(1, Math.floor(hidden / headDim));
  return {
    architectures: ['Qwen3ForCausalLM'],
    model_type: 'qwen3',
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: 3 * hidden,
    num_hidden_layers: depth,
    num_attention_heads: heads,
    num_key_value_heads: heads % 2 === 0 ? heads / 2 : heads,
    head_dim: headDim,
    max_position_embeddings: context,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    attention_bias: false,
    attention_dropout: 0,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    vocab_size: vocabSize,
    torch_dtype: 'bfloat16',
    ...overrides,
  };
}

/** Learning rate of pre-training with AdamW: wider models want smaller steps; 2e-3 at width 256, 6e-4 at 1280. */
export function learningRateOfWidth(hidden: number): number {
  return Number((0.002 * (256 / hidden) ** 0.75).toPrecision(2));
}

/** Tokens of a step: gradients of larger models are worth measuring more exactly. */
export function batchTokensOfWidth(hidden: number): number {
  return 2 ** Math.min(19, Math.max(12, Math.round(Math.log2(hidden * 32))));
}
