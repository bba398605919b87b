/**
 * What a model file holds and how much memory it needs, from headers alone. A file from which no model can be built
 * is described as far as it goes, with the reason.
 */
import { describeError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import { pagesFor, placedStateBytes } from '../generate/cache.js';
import { CheckpointWeights } from '../generate/weights.js';
import { buildModel } from '../models/model.js';
import type { DType } from '../tensor/dtype.js';
import { loadTokenizer } from '../tokenizer/load.js';

export interface Memory {
  context: number;
  /** Bytes: weights as held in memory, keys and values (f16) of all tokens, recurrent state, everything else. */
  weights: number;
  cache: number;
  state: number;
  runtime: number;
  total: number;
}

export interface Inspection {
  path: string;
  format: 'safetensors' | 'gguf';
  architecture: string;
  parameters: number;
  layers: number;
  /** Layers with attention over all tokens; the others are recurrent. */
  attentionLayers: number;
  hiddenSize: number;
  intermediateSize?: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  experts?: { count: number; perToken: number };
  vocabSize: number;
  tiedHead: boolean;
  maxContext: number;
  ropeScaling?: string;
  dtypes: { dtype: DType; tensors: number; bytes: number }[];
  tokenizer?: { kind: string; ids: number; controlTokens: number };
  chatTemplate: boolean;
  thinking: boolean;
  licence?: string;
  memory?: Memory;
  /** What was skipped, and what is missing or wrong. */
  notices: string[];
  warnings: string[];
}

const DEFAULT_CONTEXT = 8192;
/** Node, the kernels' scratch and the tokenizer: measured, it changes little from model to model. */
const RUNTIME_BYTES = 150 * 2 ** 20;

/** Describes an open checkpoint. Throws nothing for a model that cannot run: `warnings` says why. */
export function inspect(checkpoint: Checkpoint, context?: number): Inspection {
  const { config, tensors, path, format, licence, chatTemplate = '' } = checkpoint;
  const number = (field: string): number => Number(config[field] ?? 0);
  const warnings: string[] = [];
  const dtypes = new Map<DType, { dtype: DType; tensors: number; bytes: number }>();
  let parameters = 0;
  for (const { dtype, shape, byteLength } of tensors.values()) {
    const sum = dtypes.get(dtype) ?? { dtype, tensors: 0, bytes: 0 };
    dtypes.set(dtype, { dtype, tensors: sum.tensors + 1, bytes: sum.bytes + byteLength });
    parameters += shape.reduce((product, size) => product * size, 1);
  }
  const maxContext = number('max_position_embeddings');
  const memory = planMemory(checkpoint, context ?? Math.min(maxContext || DEFAULT_CONTEXT, DEFAULT_CONTEXT), warnings);
  if (context !== undefined && maxContext > 0 && context > maxContext) {
    warnings.push(`${context} tokens are more than the model's context of ${maxContext}.`);
  }
  if (!chatTemplate) warnings.push('No chat template: conversations use ChatML.');
  const layers = number('num_hidden_layers');
  const types = Array.isArray(config.layer_types) ? config.layer_types : [];
  const scaling = config.rope_scaling as { rope_type?: string; factor?: number } | undefined;
  return {
    path,
    format,
    architecture: String(config.model_type),
    parameters,
    layers,
    attentionLayers: layers - types.filter((type) => type === 'linear_attention').length,
    hiddenSize: number('hidden_size'),
    intermediateSize: number('intermediate_size') || undefined,
    heads: number('num_attention_heads'),
    kvHeads: number('num_key_value_heads'),
    headDim: number('head_dim'),
    experts: config.num_experts ? { count: number('num_experts'), perToken: number('num_experts_per_tok') } : undefined,
    vocabSize: number('vocab_size'),
    tiedHead: config.tie_word_embeddings === true || !tensors.has('lm_head.weight'),
    maxContext,
    ropeScaling: scaling?.rope_type && `${scaling.rope_type}${scaling.factor ? ` × ${scaling.factor}` : ''}`,
    dtypes: [...dtypes.values()].sort((a, b) => b.bytes - a.bytes),
    tokenizer: describeTokenizer(checkpoint, warnings),
    chatTemplate: chatTemplate !== '',
    thinking: /enable_thinking|<\/?think>/.test(chatTemplate),
    licence,
    memory,
    notices: [...checkpoint.notices],
    warnings,
  };
}

/** Builds the model without reading it, which also finds what is missing. */
function planMemory(checkpoint: Checkpoint, context: number, warnings: string[]): Memory | undefined {
  try {
    const source = new CheckpointWeights(checkpoint);
    const { blocks } = buildModel(checkpoint.config, source, source.enterLayer);
    source.checkAllUsed();
    const weights = source.held.reduce((sum, { bytes }) => sum + bytes, 0);
    let cache = 0;
    let state = 0;
    for (const each of blocks.flatMap(({ states }) => states)) {
      const bytes = placedStateBytes(each, 'f16', { pages: pagesFor(context), slots: 3 });
      if (each.kind === 'kv') cache += bytes;
      else state += bytes;
    }
    return { context, weights, cache, state, runtime: RUNTIME_BYTES, total: weights + cache + state + RUNTIME_BYTES };
  } catch (error) {
    warnings.push(`Cannot run: ${describeError(error)}`);
    return undefined;
  }
}

function describeTokenizer(checkpoint: Checkpoint, warnings: string[]): Inspection['tokenizer'] {
  const { tokenizer: source, config } = checkpoint;
  if (!source) {
    warnings.push('No tokenizer: the model takes token ids only.');
    return undefined;
  }
  try {
    const { vocabSize, controlTokens } = loadTokenizer(source);
    const rows = Number(config.vocab_size);
    if (vocabSize > rows) warnings.push(`The tokenizer has ${vocabSize} ids, the embedding only ${rows} rows.`);
    return { kind: `byte-level BPE (${source.kind})`, ids: vocabSize, controlTokens: controlTokens.size };
  } catch (error) {
    warnings.push(`Cannot read the tokenizer: ${describeError(error)}`);
    return undefined;
  }
}
