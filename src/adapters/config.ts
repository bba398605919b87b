/**
 * adapter_config.json as PEFT writes it (huggingface/peft, LoraConfig): what decides the numbers is read and checked;
 * what would change them in a way that Kaiwen does not compute is refused by name; the rest is passed over.
 */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { isObject, parseObject } from '../formats/config.js';
import { label } from '../formats/label.js';

export interface AdapterConfig {
  /** The model it was trained on, as the file names it. */
  base?: string;
  rank: number;
  alpha: number;
  /** Scale by alpha / √rank (arXiv:2312.03732) instead of alpha / rank. */
  rslora: boolean;
  /** Weight-decomposed: each row keeps a trained length (arXiv:2402.09353). */
  dora: boolean;
  /** Ranks and alphas of single modules, by the end of their names. */
  rankPattern: Readonly<Record<string, number>>;
  alphaPattern: Readonly<Record<string, number>>;
}

/** Fields that change what is computed, and when they do. */
const REFUSED: readonly [field: string, isSet: (value: unknown) => boolean, what: string][] = [
  ['fan_in_fan_out', Boolean, 'transposed weights'],
  ['bias', (value) => value !== 'none', 'trained biases'],
  ['lora_bias', Boolean, 'biases of its own'],
  ['use_qalora', Boolean, 'QA-LoRA'],
  ['use_bdlora', Boolean, 'block-diagonal LoRA'],
  ['layer_replication', Array.isArray, 'copied layers'],
  ['target_parameters', (value) => Array.isArray(value) && value.length > 0, 'LoRA on bare parameters'],
  ['alora_invocation_tokens', Array.isArray, 'activation by tokens (aLoRA)'],
  ['trainable_token_indices', (value) => value !== null, 'trained tokens'],
  ['init_lora_weights', changesBase, 'a base that was changed for it (PiSSA, OLoRA, CorDA, LoftQ)'],
];

function changesBase(value: unknown): boolean {
  return typeof value === 'string' && /^(?:pissa|olora|corda|loftq)/i.test(value);
}

/** Parses adapter_config.json; `file` is named in errors. Throws KaiwenError 'bad_file' or 'unsupported'. */
export function parseAdapterConfig(text: string, file: string): AdapterConfig {
  const json = parseObject(text, file);
  const type = json.peft_type;
  if (type !== undefined && type !== 'LORA') {
    throw new KaiwenError('unsupported', `${file}: an adapter of type ${label(type)}.`, {
      remedy: 'Kaiwen reads LoRA, rsLoRA and DoRA.',
    });
  }
  for (const [field, isSet, what] of REFUSED) {
    if (json[field] === undefined || !isSet(json[field])) continue;
    throw new KaiwenError('unsupported', `${file}: "${field}" asks for ${what}.`, {
      remedy: 'Merge it with the tool that trained it, and use the merged model.',
    });
  }
  return {
    base: typeof json.base_model_name_or_path === 'string' ? json.base_model_name_or_path : undefined,
    rank: positive(json, 'r', file, Number.isInteger),
    alpha: positive(json, 'lora_alpha', file),
    rslora: json.use_rslora === true,
    dora: json.use_dora === true,
    rankPattern: pattern(json, 'rank_pattern', file, Number.isInteger),
    alphaPattern: pattern(json, 'alpha_pattern', file),
  };
}

/** Rank and scale of a module such as `model.layers.0.self_attn.q_proj`. */
export function moduleScale(config: AdapterConfig, module: string): { rank: number; scale: number } {
  const rank = valueFor(config.rankPattern, module) ?? config.rank;
  const alpha = valueFor(config.alphaPattern, module) ?? config.alpha;
  return { rank, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) };
}

/** The first pattern that names the module or the end of its name. */
function valueFor(pattern: Readonly<Record<string, number>>, module: string): number | undefined {
  for (const [key, value] of Object.entries(pattern)) {
    const name = key.replace(/^\^/, '').replaceAll('\\.', '.');
    if (module === name || (!key.startsWith('^') && module.endsWith(`.${name}`))) return value;
  }
  return undefined;
}

function pattern(
  json: JsonObject,
  field: string,
  file: string,
  valid: (value: number) => boolean = () => true,
): Record<string, number> {
  const value = json[field];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrong(json, field, file, 'an object');
  for (const [key, number] of Object.entries(value)) {
    if (!/^\^?[\w.\\]+$/.test(key)) {
      throw new KaiwenError('unsupported', `${file}: "${field}" holds the expression ${label(key)}.`, {
        remedy: "Write the modules' names out.",
      });
    }
    if (!(typeof number === 'number' && number > 0 && Number.isFinite(number) && valid(number))) {
      throw wrong(json, field, file, 'numbers above 0');
    }
  }
  return value as Record<string, number>;
}

function positive(
  json: JsonObject,
  field: string,
  file: string,
  valid: (value: number) => boolean = () => true,
): number {
  const value = json[field];
  if (typeof value === 'number' && Number.isFinite(value) && value > 0 && valid(value)) return value;
  throw wrong(json, field, file, 'a number above 0');
}

function wrong(json: JsonObject, field: string, file: string, expected: string): KaiwenError {
  const found = json[field] === undefined ? 'is missing' : `is ${label(JSON.stringify(json[field]))}`;
  return new KaiwenError('bad_file', `${file}: "${field}" ${found}; it must be ${expected}.`, {
    remedy: 'The file may be damaged: get it again.',
  });
}
