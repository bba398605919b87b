/**
 * Llama 3's rotary scaling: Hugging Face names four numbers, GGUF stores what each frequency is divided by.
 * The rule is that of transformers' modeling_rope_utils.py (`llama3`).
 */
import type { JsonObject } from './checkpoint.js';
import { isObject } from './config.js';

interface Llama3Scaling {
  factor: number;
  low_freq_factor: number;
  high_freq_factor: number;
  original_max_position_embeddings: number;
}

/** The divisors of the head's frequencies, [head_dim / 2], or undefined if the configuration has no such scaling. */
export function ropeDivisors(config: JsonObject): Float32Array | undefined {
  const { rope_scaling: scaling, head_dim: headDim, rope_theta: theta } = config;
  if (!isObject(scaling) || scaling.rope_type !== 'llama3') return undefined;
  return divisors(Number(headDim), Number(theta), {
    factor: Number(scaling.factor ?? 8),
    low_freq_factor: Number(scaling.low_freq_factor ?? 1),
    high_freq_factor: Number(scaling.high_freq_factor ?? 4),
    original_max_position_embeddings: Number(scaling.original_max_position_embeddings ?? 8192),
  });
}

/**
 * The scaling whose divisors these are, for the factors 1 and 4 that every released model has and an original
 * context of a power of two; undefined if there is none.
 */
export function scalingFromDivisors(stored: Float32Array, config: JsonObject): JsonObject | undefined {
  const factor = stored.reduce((a, b) => Math.max(a, b), 1);
  for (let context = 16; context <= 1 << 24; context *= 2) {
    const scaling = { factor, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: context };
    const computed = divisors(Number(config.head_dim), Number(config.rope_theta), scaling);
    if (computed.length === stored.length && computed.every((x, i) => Math.abs(x - stored[i]) <= 1e-4 * x)) {
      return { rope_type: 'llama3', ...scaling };
    }
  }
  return undefined;
}

function divisors(headDim: number, theta: number, scaling: Llama3Scaling): Float32Array {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: context } = scaling;
  return new Float32Array(headDim / 2).map((_, i) => {
    const turns = context / (2 * Math.PI * theta ** ((2 * i) / headDim));
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
