/**
 * One layout for every configuration: Hugging Face's config.json in any of its dialects, or the translation of
 * GGUF metadata, becomes a flat object in which a model file finds each value in one place.
 *
 * What is guaranteed on top of Hugging Face's own fields, where the model has them: `model_type` of the text part,
 * `rope_theta`, `rope_scaling` (with `rope_type`, absent if there is none), `partial_rotary_factor`, `head_dim`,
 * `num_key_value_heads`, `rms_norm_eps`, and `layer_types` for hybrids.
 */
import { KaiwenError } from '../errors.js';
import type { Json, JsonObject } from './checkpoint.js';
import { parseJson } from './json.js';
import { label } from './label.js';

/** More layers than any model has; a hostile file must not make us list billions of layer types. */
export const LAYER_LIMIT = 10_000;

/** Flattens and completes a configuration. `file` is named in errors. */
export function normaliseConfig(raw: JsonObject, file: string): JsonObject {
  const config: JsonObject = { ...raw };
  if (isObject(raw.text_config)) {
    for (const [key, value] of Object.entries(raw.text_config)) if (value !== null) config[key] = value;
    delete config.text_config;
    delete config.vision_config;
    // The text part's class: `architectures` of the whole names the one with the vision tower.
    const { architectures } = raw.text_config;
    if (!architectures && Array.isArray(raw.architectures)) {
      config.architectures = raw.architectures.map((name) =>
        typeof name === 'string' ? name.replace('ForConditionalGeneration', 'ForCausalLM') : name,
      );
    }
  }
  if (typeof config.model_type !== 'string') {
    throw new KaiwenError('bad_file', `${file}: model_type is missing.`, {
      remedy: 'The file must name the architecture, such as "qwen3".',
    });
  }
  const method = isObject(config.quantization_config) ? config.quantization_config.quant_method : undefined;
  if (method !== undefined) {
    throw new KaiwenError('unsupported', `${file}: weights quantised with ${label(method)}.`, {
      remedy: 'Use the unquantised checkpoint or a GGUF file.',
    });
  }
  // A model of the family may be nested under its own name or that of the whole.
  if (isObject(raw.text_config) && !raw.text_config.model_type && /^qwen3_5(_moe)?$/.test(config.model_type)) {
    config.model_type += '_text';
  }
  normaliseRope(config);
  if (config.model_type === 'qwen') nameFirstGeneration(config);
  if (config.model_type.startsWith('qwen3_5')) nameHybrid(config, file);
  const heads = config.num_attention_heads;
  if (typeof heads === 'number' && heads > 0) {
    config.num_key_value_heads ??= heads;
    if (typeof config.hidden_size === 'number') config.head_dim ??= config.hidden_size / heads;
  }
  return config;
}

/** `rope_parameters` (since transformers 5) or the older fields at the top level: both are there afterwards. */
function normaliseRope(config: JsonObject): void {
  const parameters = isObject(config.rope_parameters) ? config.rope_parameters : {};
  const scaling: JsonObject = isObject(config.rope_scaling) ? { ...config.rope_scaling } : { ...parameters };
  const theta = parameters.rope_theta ?? config.rope_theta ?? config.rotary_emb_base;
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? config.rotary_pct;
  const sections = parameters.mrope_section ?? scaling.mrope_section;
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  for (const key of ['type', 'rope_theta', 'partial_rotary_factor', 'mrope_section', 'mrope_interleaved']) {
    delete scaling[key];
  }
  // 'mrope' without images is plain rotary embedding: all three position numbers are the same.
  if (type === 'default' || type === 'mrope') delete config.rope_scaling;
  else config.rope_scaling = { ...scaling, rope_type: type };
  if (theta !== undefined) config.rope_theta = theta;
  if (partial !== undefined) config.partial_rotary_factor = partial;
  if (sections !== undefined) config.mrope_section = sections;
}

/** The first generation has names of its own for what the later ones call otherwise. */
function nameFirstGeneration(config: JsonObject): void {
  if (config.layer_norm_epsilon !== undefined) config.rms_norm_eps ??= config.layer_norm_epsilon;
  if (config.kv_channels !== undefined) config.head_dim ??= config.kv_channels;
}

/** Fields of Qwen3.5 that its files may leave to the defaults of the modelling code. */
function nameHybrid(config: JsonObject, file: string): void {
  config.partial_rotary_factor ??= 0.25;
  const layers = config.num_hidden_layers;
  if (config.layer_types || typeof layers !== 'number') return;
  if (!(layers >= 0 && layers <= LAYER_LIMIT)) {
    throw new KaiwenError('bad_file', `${file}: num_hidden_layers is ${layers}.`, {
      remedy: 'Download the file again.',
    });
  }
  const interval = typeof config.full_attention_interval === 'number' ? config.full_attention_interval : 4;
  config.layer_types = Array.from({ length: layers }, (_, i) =>
    (i + 1) % interval === 0 ? 'full_attention' : 'linear_attention',
  );
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses a JSON object. Throws 'bad_file' naming the file. */
export function parseObject(text: string, file: string): JsonObject {
  let value: Json;
  try {
    value = parseJson(text) as Json;
  } catch (error) {
    throw new KaiwenError('bad_file', `${file}: no valid JSON.`, { remedy: 'Download the file again.', cause: error });
  }
  if (!isObject(value)) {
    throw new KaiwenError('bad_file', `${file}: not a JSON object.`, { remedy: 'Download the file again.' });
  }
  return value;
}
