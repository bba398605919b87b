/** Reading a model's configuration: each field checked, each fault named. */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';

/** What every architecture has. */
export interface BaseConfig {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  max_position_embeddings: number;
  rms_norm_eps: number;
}

export class ConfigReader {
  /** `prefix`: the path of an object within the configuration, for messages. */
  constructor(
    readonly json: JsonObject,
    private readonly prefix = '',
  ) {}

  has(field: string): boolean {
    return this.json[field] !== undefined && this.json[field] !== null;
  }

  /** A whole number from 1 to 2^31 - 1, or `fallback` where the field is absent. */
  count(field: string, fallback?: number): number {
    const value = this.has(field) ? this.json[field] : fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < 2 ** 31) return value;
    throw this.wrong(field, 'a whole number of at least 1');
  }

  /** A finite number. */
  number(field: string, fallback?: number): number {
    const value = this.has(field) ? this.json[field] : fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.wrong(field, 'a number');
  }

  /** A finite number above 0. */
  positive(field: string, fallback?: number): number {
    const value = this.number(field, fallback);
    if (value > 0) return value;
    throw this.wrong(field, 'above 0');
  }

  flag(field: string, fallback: boolean): boolean {
    const value = this.has(field) ? this.json[field] : fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong(field, 'true or false');
  }

  object(field: string): ConfigReader | undefined {
    const value = this.json[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'object' && !Array.isArray(value)) return new ConfigReader(value, `${this.prefix}${field}.`);
    throw this.wrong(field, 'an object');
  }

  strings(field: string): string[] | undefined {
    const value = this.json[field];
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value as string[];
    throw this.wrong(field, 'a list of strings');
  }

  wrong(field: string, expected: string): KaiwenError {
    const value = this.json[field];
    const shown = typeof value === 'number' ? String(value) : JSON.stringify(value)?.slice(0, 60);
    const found = this.has(field) ? `is ${shown}` : 'is missing';
    const name = `the configuration's field "${this.prefix}${field}"`;
    return new KaiwenError('bad_file', `${name} ${found}; it must be ${expected}.`, {
      remedy: 'The file may be incomplete: get it again.',
    });
  }
}

/** The fields that Qwen2 and everything after it share. */
export function readBaseConfig(c: ConfigReader): BaseConfig {
  const hidden_size = c.count('hidden_size');
  const num_attention_heads = c.count('num_attention_heads');
  const config: BaseConfig = {
    hidden_size,
    intermediate_size: c.count('intermediate_size', 1),
    num_hidden_layers: c.count('num_hidden_layers'),
    num_attention_heads,
    num_key_value_heads: c.count('num_key_value_heads', num_attention_heads),
    head_dim: c.count('head_dim', Math.floor(hidden_size / num_attention_heads)),
    vocab_size: c.count('vocab_size'),
    max_position_embeddings: c.count('max_position_embeddings', 2048),
    rms_norm_eps: c.number('rms_norm_eps', 1e-6),
  };
  if (config.rms_norm_eps < 0) throw c.wrong('rms_norm_eps', 'at least 0');
  checkVariant(c, config);
  if (config.num_attention_heads % config.num_key_value_heads !== 0) {
    throw c.wrong('num_key_value_heads', `a divisor of num_attention_heads (${config.num_attention_heads})`);
  }
  if (config.head_dim % 2 !== 0 || config.head_dim > 512) throw c.wrong('head_dim', 'even and at most 512');
  return config;
}

/** Refuses what these models do not compute; attention within a window is full attention as long as the window lasts. */
function checkVariant(c: ConfigReader, config: BaseConfig): void {
  const { hidden_act: activation = 'silu', use_sliding_window: windowed, sliding_window: window } = c.json;
  if (activation !== 'silu' && activation !== 'swish')
    throw c.wrong('hidden_act', '"silu", the only one Kaiwen computes');
  if (windowed === true && typeof window === 'number' && window < config.max_position_embeddings) {
    config.max_position_embeddings = c.count('sliding_window');
  }
}
