/**
 * Rotary position embedding (arXiv:2104.09864) and the ways to stretch it: linear, dynamic NTK (first-generation
 * Qwen), YaRN (arXiv:2309.00071) and Llama 3's. A Rope gives the angle's frequency of each pair of dimensions; the
 * tables of cosines and sines are made in float64 for the tokens at hand.
 */

import { KaiwenError } from '../errors.js';
import type { ConfigReader } from './config.js';

export interface Rope {
  /** Dimensions of a head that rotate, from the first on. */
  readonly rotaryDim: number;
  /** Rotates neighbours (2i, 2i+1), as GGUF stores Llama, and not the halves (i, i + rotaryDim/2). */
  readonly interleaved: boolean;
  /** Multiplies cosines and sines (YaRN's attention factor). */
  readonly factor: number;
  /** Angle per position of each pair, [rotaryDim / 2], for a sequence of `length` tokens. */
  frequencies(length: number): Float64Array;
  /** Sequences with the same key share their frequencies; a cache is valid only within one key. */
  key(length: number): number;
}

/** Cosines and sines, [tokens, rotaryDim / 2] each, of the positions from `position` on. */
export function ropeTables(
  rope: Rope,
  position: number,
  tokens: number,
  length: number,
  cos: Float32Array,
  sin: Float32Array,
): void {
  const frequencies = rope.frequencies(length);
  const half = frequencies.length;
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < half; i++) {
      const angle = (position + t) * frequencies[i];
      cos[t * half + i] = Math.cos(angle) * rope.factor;
      sin[t * half + i] = Math.sin(angle) * rope.factor;
    }
  }
}

/** The rope that a configuration asks for. `divisors` (Llama in GGUF) replace its scaling. */
export function readRope(c: ConfigReader, headDim: number, divisors?: Float32Array): Rope {
  const theta = c.number('rope_theta', 10_000);
  if (theta <= 1) throw c.wrong('rope_theta', 'above 1');
  const rotaryDim = 2 * Math.round((headDim * c.number('partial_rotary_factor', 1)) / 2);
  if (rotaryDim < 2 || rotaryDim > headDim) throw c.wrong('partial_rotary_factor', 'above 0 and at most 1');
  const interleaved = c.flag('kaiwen_rope_interleaved', false);
  const plain = plainFrequencies(rotaryDim, theta);
  if (divisors)
    return fixed(
      rotaryDim,
      interleaved,
      plain.map((f, i) => f / divisors[i]),
    );

  const scaling = c.object('rope_scaling');
  const type = scaling?.json.rope_type ?? scaling?.json.type ?? 'default';
  switch (type) {
    case 'default':
    case 'mrope': // with text alone its three positions are one
      return fixed(rotaryDim, interleaved, plain);
    case 'linear': {
      const factor = scaling!.positive('factor');
      return fixed(
        rotaryDim,
        interleaved,
        plain.map((f) => f / factor),
      );
    }
    case 'yarn':
      return yarn(scaling!, c, rotaryDim, interleaved, theta, plain);
    case 'llama3':
      return fixed(rotaryDim, interleaved, llama3(scaling!, plain));
    default:
      throw new KaiwenError(
        'unsupported',
        `the rope_scaling type ${JSON.stringify(type).slice(0, 60)} is not supported.`,
        {
          remedy: 'Supported: default, linear, yarn, llama3.',
        },
      );
  }
}

/**
 * First-generation Qwen's dynamic NTK: past the trained length the base grows with the power of two that covers
 * the sequence. The whole prompt's length decides, and decoding goes on with what the prompt decided.
 */
export function dynamicNtkRope(rotaryDim: number, theta: number, trainedLength: number): Rope {
  const alpha = (length: number) =>
    length > trainedLength ? Math.max(2 ** Math.ceil(Math.log2(length / trainedLength) + 1) - 1, 1) : 1;
  return {
    rotaryDim,
    interleaved: false,
    factor: 1,
    frequencies: (length) => plainFrequencies(rotaryDim, theta * alpha(length) ** (rotaryDim / (rotaryDim - 2))),
    key: alpha,
  };
}

export function plainFrequencies(rotaryDim: number, theta: number): Float64Array {
  return Float64Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** ((-2 * i) / rotaryDim));
}

export function fixed(rotaryDim: number, interleaved: boolean, frequencies: Float64Array, factor = 1): Rope {
  return { rotaryDim, interleaved, factor, frequencies: () => frequencies, key: () => 0 };
}

function yarn(
  s: ConfigReader,
  c: ConfigReader,
  rotaryDim: number,
  interleaved: boolean,
  theta: number,
  plain: Float64Array,
): Rope {
  const factor = s.positive('factor');
  const original = s.positive('original_max_position_embeddings', c.number('max_position_embeddings'));
  const attentionFactor = s.positive('attention_factor', factor > 1 ? 0.1 * Math.log(factor) + 1 : 1);
  /** The pair that turns `turns` times within the original context. */
  const pairOf = (turns: number) => (rotaryDim * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(Math.floor(pairOf(s.positive('beta_fast', 32))), 0);
  const high = Math.min(Math.ceil(pairOf(s.positive('beta_slow', 1))), rotaryDim - 1);
  const width = high === low ? 0.001 : high - low;
  const frequencies = plain.map((f, i) => {
    const interpolated = Math.min(Math.max((i - low) / width, 0), 1);
    return (f / factor) * interpolated + f * (1 - interpolated);
  });
  return fixed(rotaryDim, interleaved, frequencies, attentionFactor);
}

function llama3(s: ConfigReader, plain: Float64Array): Float64Array {
  const factor = s.positive('factor');
  const low = s.positive('low_freq_factor');
  const high = s.positive('high_freq_factor');
  if (high <= low) throw s.wrong('high_freq_factor', 'above low_freq_factor');
  const original = s.positive('original_max_position_embeddings');
  return plain.map((f) => {
    const turns = (original * f) / (2 * Math.PI);
    if (turns < low) return f / factor;
    if (turns > high) return f;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}
