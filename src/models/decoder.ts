/** The frame that every generation since Qwen2 shares: `model.embed_tokens`, `model.layers.N`, `model.norm`, `lm_head`. */
import type { BaseConfig, ConfigReader } from './config.js';
import type { Block, ModelDefinition } from './model.js';
import type { Rope } from './rope.js';
import type { Linear, Weight, Weights } from './weights.js';

export interface DecoderParts {
  block(w: Weights, index: number): Block;
  rope: Rope;
  normOffset?: 0 | 1;
}

export function decoder(
  c: ConfigReader,
  config: BaseConfig,
  w: Weights,
  layer: (index: number) => void,
  parts: DecoderParts,
): ModelDefinition {
  const { hidden_size, vocab_size } = config;
  const model = w.at('model');
  const embedding = model.weight('embed_tokens.weight', vocab_size, hidden_size);
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => {
    layer(index);
    return parts.block(model.at('layers').at(index), index);
  });
  layer(config.num_hidden_layers);
  return {
    vocabSize: vocab_size,
    hiddenSize: hidden_size,
    maxContext: config.max_position_embeddings,
    embedding,
    blocks,
    norm: model.norm('norm', hidden_size, config.rms_norm_eps, parts.normOffset ?? 0),
    head: outputHead(c, w, embedding, vocab_size, hidden_size),
    rope: parts.rope,
  };
}

/** The output projection: the embedding again where the model says so, or says nothing and brings no other. */
export function outputHead(c: ConfigReader, w: Weights, embedding: Weight, vocab: number, hidden: number): Linear {
  const tied = c.flag('tie_word_embeddings', !w.has('lm_head.weight'));
  return tied ? { weight: embedding, out: vocab, in: hidden } : w.linear('lm_head', vocab, hidden);
}
