/**
 * Random masks and noise. What an element draws follows from the seed and its index: the same for any number of threads,
 * and again in the backward pass or when a segment is recomputed.
 */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece } from './pieces.js';

const ELEMENTS = 1 << 14;

export interface Dropout {
  /** f32 [n]; y may be x. */
  x: number;
  y: number;
  n: number;
  /** Of elements that become 0, in [0, 1). */
  rate: number;
  /** A whole number from 0 to 2^53 − 1. */
  seed: number;
}

/** y = x / (1 − rate), or 0 with probability `rate`. The gradient is the same operation on dy. */
export function dropout(p: Program, { x, y, n, rate, seed }: Dropout): void {
  const per = columnsPerPiece(n, ELEMENTS);
  const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
  p.emit(Op.dropout, Math.ceil(n / per), [x, y, n, per, ...seedWords(seed), threshold], [1 / (1 - rate)]);
}

export interface AddNoise {
  /** f32 [n]; y may be x. */
  x: number;
  y: number;
  n: number;
  /** Noise is uniform in [−amount, amount). */
  amount: number;
  /** A whole number from 0 to 2^53 − 1. */
  seed: number;
}

/** y = x + uniform noise (of embeddings: NEFTune, arXiv:2310.05914). Its gradient is dy. */
export function addNoise(p: Program, { x, y, n, amount, seed }: AddNoise): void {
  const per = columnsPerPiece(n, ELEMENTS);
  p.emit(Op.addNoise, Math.ceil(n / per), [x, y, n, per, ...seedWords(seed)], [amount / 2 ** 31]);
}

/** Two words that look unrelated for different seeds, however near these are. */
function seedWords(seed: number): [number, number] {
  const first = mix((seed | 0) ^ mix(Math.floor(seed / 2 ** 32) + 0x9e3779b9));
  return [first, mix(first + 0x9e3779b9)];
}

/** The mixing function of kernels/random.ts. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}
