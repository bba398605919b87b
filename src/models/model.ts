/**
 * A model: token embedding, blocks, final norm, output head. Each architecture is a function that reads its
 * configuration and asks for its weights; what comes back is the same for all.
 */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { ConfigReader } from './config.js';
import { llama } from './llama.js';
import type { Ops } from './ops.js';
import { qwen } from './qwen.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';
import { qwen35 } from './qwen3-5.js';
import { qwen3Moe } from './qwen3-moe.js';
import type { Rope } from './rope.js';
import type { State } from './state.js';
import { type Linear, type Norm, type Weight, type WeightSource, Weights } from './weights.js';

/** One layer: maps the residual stream to the residual stream. */
export interface Block {
  readonly states: readonly State[];
  /** `x` is [tokens, hidden] and may be overwritten. */
  forward<T>(o: Ops<T>, x: T): T;
}

export interface ModelDefinition {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly maxContext: number;
  readonly embedding: Weight;
  readonly blocks: readonly Block[];
  readonly norm: Norm;
  /** Shares its weight with the embedding where the model ties them. */
  readonly head: Linear;
  readonly rope: Rope;
}

/** `layer` marks where the weights of a block begin, so that a source can keep whole layers together. */
export type Architecture = (c: ConfigReader, w: Weights, layer: (index: number) => void) => ModelDefinition;

/** By `model_type`. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  qwen,
  qwen2,
  qwen3,
  qwen3_moe: qwen3Moe,
  qwen3_5: qwen35,
  qwen3_5_text: qwen35,
  llama,
};

/** Builds the model that `config` describes. Throws KaiwenError 'unsupported' for an architecture Kaiwen does not know. */
export function buildModel(config: JsonObject, source: WeightSource, layer: (index: number) => void): ModelDefinition {
  const type = config.model_type;
  const architecture = typeof type === 'string' && Object.hasOwn(ARCHITECTURES, type) ? ARCHITECTURES[type] : undefined;
  if (!architecture) {
    throw new KaiwenError(
      'unsupported',
      `the architecture ${JSON.stringify(type)?.slice(0, 60) ?? '(none named)'} is not supported.`,
      {
        remedy: `Supported model types: ${Object.keys(ARCHITECTURES).join(', ')}.`,
      },
    );
  }
  return architecture(new ConfigReader(config), new Weights(source), layer);
}
