/**
 * GGUF's metadata and Hugging Face's configuration fields: one table for both directions, with the few values
 * that need more than a renaming (rotary scaling, hybrid layers, what GGUF leaves out) below it.
 * Keys are those of ggml-org/llama.cpp (gguf-py/gguf/constants.py).
 */
import { KaiwenError } from '../errors.js';
import type { Json, JsonObject } from './checkpoint.js';
import { isObject, LAYER_LIMIT } from './config.js';
import type { GGUF_TYPES } from './gguf.js';
import { ARCHITECTURES, type Architecture } from './gguf-names.js';
import { label } from './label.js';

export type GgufType = keyof typeof GGUF_TYPES;

/** A metadata value with the type that stands in the file; for arrays, `elements` is the type of each. */
export interface GgufValue {
  readonly type: GgufType;
  readonly elements?: GgufType;
  readonly value: unknown;
}

/** [GGUF key after `{arch}.`, Hugging Face field, type in the file]. */
type Field = readonly [gguf: string, hf: string, type: GgufType];

const COMMON: readonly Field[] = [
  ['context_length', 'max_position_embeddings', 'u32'],
  ['embedding_length', 'hidden_size', 'u32'],
  ['block_count', 'num_hidden_layers', 'u32'],
  ['feed_forward_length', 'intermediate_size', 'u32'],
  ['vocab_size', 'vocab_size', 'u32'],
  ['attention.head_count', 'num_attention_heads', 'u32'],
  ['attention.head_count_kv', 'num_key_value_heads', 'u32'],
  ['attention.key_length', 'head_dim', 'u32'],
  ['attention.layer_norm_rms_epsilon', 'rms_norm_eps', 'f32'],
  ['rope.freq_base', 'rope_theta', 'f32'],
];

const EXPERTS: readonly Field[] = [
  ['expert_count', 'num_experts', 'u32'],
  ['expert_used_count', 'num_experts_per_tok', 'u32'],
  ['expert_feed_forward_length', 'moe_intermediate_size', 'u32'],
  ['expert_shared_feed_forward_length', 'shared_expert_intermediate_size', 'u32'],
];

const HYBRID: readonly Field[] = [
  ['ssm.conv_kernel', 'linear_conv_kernel_dim', 'u32'],
  ['ssm.state_size', 'linear_key_head_dim', 'u32'],
  ['ssm.group_count', 'linear_num_key_heads', 'u32'],
  ['ssm.time_step_rank', 'linear_num_value_heads', 'u32'],
];

/** What the first generation needs and GGUF has no key for; other readers ignore these keys. */
const FIRST_GENERATION: readonly Field[] = [
  ['kaiwen.seq_length', 'seq_length', 'u32'],
  ['kaiwen.use_dynamic_ntk', 'use_dynamic_ntk', 'bool'],
  ['kaiwen.use_logn_attn', 'use_logn_attn', 'bool'],
];

const ROPE_SCALING: readonly Field[] = [
  ['rope.scaling.factor', 'factor', 'f32'],
  ['rope.scaling.original_context_length', 'original_max_position_embeddings', 'u32'],
  ['rope.scaling.yarn_beta_fast', 'beta_fast', 'f32'],
  ['rope.scaling.yarn_beta_slow', 'beta_slow', 'f32'],
];

function fieldsOf({ gguf }: Architecture): Field[] {
  const fields = [...COMMON];
  if (gguf.endsWith('moe')) fields.push(...EXPERTS);
  if (gguf.startsWith('qwen35')) fields.push(...HYBRID);
  if (gguf === 'qwen') fields.push(...FIRST_GENERATION);
  return fields;
}

/** The architecture that GGUF metadata name. Throws 'unsupported' if Kaiwen has no such model. */
export function architectureOfGguf(metadata: Readonly<Record<string, unknown>>, file: string): Architecture {
  const name = metadata['general.architecture'];
  if (typeof name !== 'string') throw broken(file, 'general.architecture is missing');
  return find(({ gguf }) => gguf === name, name, file);
}

/** The architecture of a normalised configuration. Throws 'unsupported' if GGUF has no such model here. */
export function architectureOfConfig(config: JsonObject, file: string): Architecture {
  return find(({ modelType }) => modelType === config.model_type, String(config.model_type), file);
}

function find(test: (architecture: Architecture) => boolean, name: string, file: string): Architecture {
  const architecture = ARCHITECTURES.find(test);
  if (architecture) return architecture;
  const known = ARCHITECTURES.map(({ gguf }) => gguf).join(', ');
  throw new KaiwenError('unsupported', `${file}: unknown architecture '${label(name)}'.`, {
    remedy: `Kaiwen reads ${known}.`,
  });
}

function broken(file: string, what: string): KaiwenError {
  return new KaiwenError('bad_file', `${file}: ${what}.`, { remedy: 'Download or convert the file again.' });
}

/** What the reader of GGUF must tell besides metadata. */
export interface GgufFacts {
  /** Rows of token_embd. */
  readonly vocabSize: number | undefined;
  /** Whether there is an `output.weight`. */
  readonly hasOutput: boolean;
}

/** GGUF metadata as Hugging Face configuration, not yet normalised. Throws 'bad_file' for values of a wrong type. */
export function configFromGguf(
  architecture: Architecture,
  metadata: Readonly<Record<string, unknown>>,
  facts: GgufFacts,
  file: string,
): JsonObject {
  const prefix = `${architecture.gguf}.`;
  const read = (fields: readonly Field[]): JsonObject => {
    const result: JsonObject = {};
    for (const [key, field, type] of fields) {
      const value = scalar(metadata[prefix + key]);
      if (value === undefined) continue;
      if (typeof value !== (type === 'bool' ? 'boolean' : type === 'string' ? 'string' : 'number')) {
        throw broken(file, `${prefix}${key} is ${label(value)}`);
      }
      result[field] = type === 'f32' ? shortest(value as number) : (value as Json);
    }
    return result;
  };
  const config: JsonObject = {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    ...read(fieldsOf(architecture)),
    tie_word_embeddings: !facts.hasOutput,
  };
  const layers = config.num_hidden_layers;
  if (typeof layers !== 'number' || !(layers >= 1 && layers <= LAYER_LIMIT)) {
    throw broken(file, `${prefix}block_count is ${layers === undefined ? 'missing' : layers}`);
  }
  if (facts.vocabSize !== undefined) config.vocab_size = facts.vocabSize;
  config.rope_theta ??= 10_000;

  const headDim = config.head_dim ?? Number(config.hidden_size) / Number(config.num_attention_heads);
  const rotary = metadata[`${prefix}rope.dimension_count`];
  if (typeof rotary === 'number' && rotary !== headDim) config.partial_rotary_factor = rotary / Number(headDim);
  const scaling = metadata[`${prefix}rope.scaling.type`];
  if (typeof scaling === 'string' && scaling !== 'none') {
    config.rope_scaling = { rope_type: scaling, ...read(ROPE_SCALING) };
    const factor = metadata[`${prefix}rope.scaling.attn_factor`];
    if (scaling === 'yarn' && typeof factor === 'number') {
      config.rope_scaling.attention_factor = factor * yarnFactor(config.rope_scaling);
    }
  }
  if (architecture.gguf.endsWith('moe')) {
    config.norm_topk_prob = metadata[`${prefix}expert_weights_norm`] !== false;
  }
  if (architecture.gguf === 'llama') config.kaiwen_rope_interleaved = true;
  if (architecture.gguf === 'qwen') readFirstGeneration(config);
  if (architecture.gguf.startsWith('qwen35')) readHybrid(config, prefix, metadata, file);
  return config;
}

function readFirstGeneration(config: JsonObject): void {
  config.seq_length ??= config.max_position_embeddings ?? 8192;
  config.use_dynamic_ntk ??= false;
  config.use_logn_attn ??= false;
  config.no_bias = true;
  config.layer_norm_epsilon = config.rms_norm_eps ?? 1e-6;
  config.rotary_emb_base = config.rope_theta ?? 10_000;
  config.kv_channels = config.head_dim ?? Number(config.hidden_size) / Number(config.num_attention_heads);
}

function readHybrid(
  config: JsonObject,
  prefix: string,
  metadata: Readonly<Record<string, unknown>>,
  file: string,
): void {
  // The blocks of a multi-token-prediction head are counted with the others and stand behind them.
  const extra = metadata[`${prefix}nextn_predict_layers`];
  const layers = Number(config.num_hidden_layers) - (typeof extra === 'number' ? extra : 0);
  if (!(layers >= 1 && layers <= LAYER_LIMIT)) throw broken(file, `${prefix}nextn_predict_layers is ${label(extra)}`);
  config.num_hidden_layers = layers;
  const interval = metadata[`${prefix}full_attention_interval`] ?? 4;
  const recurrent = metadata[`${prefix}attention.recurrent_layers`];
  config.layer_types = Array.from({ length: layers }, (_, i) => {
    const linear = Array.isArray(recurrent) ? Boolean(recurrent[i]) : (i + 1) % Number(interval) !== 0;
    return linear ? 'linear_attention' : 'full_attention';
  });
  const heads = Number(config.linear_num_value_heads);
  const inner = Number(metadata[`${prefix}ssm.inner_size`]);
  config.linear_value_head_dim = inner / heads || config.linear_key_head_dim || null;
  if (heads > Number(config.linear_num_key_heads)) config.kaiwen_value_heads_tiled = true;
  const sections = metadata[`${prefix}rope.dimension_sections`];
  const parameters: JsonObject = { rope_type: 'default', rope_theta: config.rope_theta ?? null };
  if (config.partial_rotary_factor !== undefined) parameters.partial_rotary_factor = config.partial_rotary_factor;
  if (Array.isArray(sections)) parameters.mrope_section = sections.slice(0, 3).map(Number);
  config.rope_parameters = parameters;
}

/**
 * A normalised configuration as GGUF metadata, architecture keys only (`general.*` and the tokenizer are the
 * writer's). Llama 3's rotary scaling is not among them: GGUF keeps it in the tensor `rope_freqs.weight`.
 */
export function ggufFromConfig(architecture: Architecture, config: JsonObject): Map<string, GgufValue> {
  const entries = new Map<string, GgufValue>();
  const put = (key: string, type: GgufType, value: Json | undefined): void => {
    if (value !== undefined && value !== null) entries.set(`${architecture.gguf}.${key}`, { type, value });
  };
  for (const [key, field, type] of fieldsOf(architecture)) put(key, type, config[field]);
  const headDim = Number(config.head_dim);
  put('attention.value_length', 'u32', headDim);
  put('rope.dimension_count', 'u32', Math.floor(headDim * Number(config.partial_rotary_factor ?? 1)));
  if (isObject(config.rope_scaling)) {
    const { rope_type: type } = config.rope_scaling;
    if (type === 'yarn' || type === 'linear') {
      put('rope.scaling.type', 'string', type);
      for (const [key, field, valueType] of ROPE_SCALING) put(key, valueType, config.rope_scaling[field]);
      const { attention_factor: factor } = config.rope_scaling;
      if (typeof factor === 'number' && type === 'yarn') {
        put('rope.scaling.attn_factor', 'f32', factor / yarnFactor(config.rope_scaling));
      }
    }
  }
  if (architecture.gguf.endsWith('moe')) put('expert_weights_norm', 'bool', config.norm_topk_prob);
  if (architecture.gguf.startsWith('qwen35')) {
    put('ssm.inner_size', 'u32', Number(config.linear_num_value_heads) * Number(config.linear_value_head_dim));
    const types = Array.isArray(config.layer_types) ? config.layer_types : [];
    put('full_attention_interval', 'u32', types.indexOf('full_attention') + 1 || types.length + 1);
    const sections = Array.isArray(config.mrope_section) ? config.mrope_section : [11, 11, 10];
    const padded = [...sections, 0, 0, 0, 0].slice(0, 4);
    entries.set(`${architecture.gguf}.rope.dimension_sections`, { type: 'array', elements: 'i32', value: padded });
  }
  return entries;
}

/** YaRN's own scale of the attention (arXiv:2309.00071): GGUF's factor multiplies it, Hugging Face's replaces it. */
function yarnFactor({ factor }: JsonObject): number {
  return 0.1 * Math.log(Math.max(1, Number(factor) || 1)) + 1;
}

/** Some converters write one value a layer; Kaiwen's models have the same in all. */
function scalar(value: unknown): unknown {
  return Array.isArray(value) && value.every((x) => x === value[0]) ? value[0] : value;
}

/** The shortest decimal number that is this float32: 1e-6 rather than 9.99999997e-7. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return value;
}
