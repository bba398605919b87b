/**
 * Every element type a file may hold: dequantisation to float32, quantisation where Kaiwen writes the type, and the
 * re-encoding a loader applies to types that have no kernel of their own. Nothing here reads files.
 */
import { byteLength, type DType } from '../../tensor/dtype.js';
import type { QuantFormat } from './format.js';
import { bf16, f16, f32 } from './plain.js';
import { q2_k } from './q2_k.js';
import { q3_k, q3_kToQ6_K } from './q3_k.js';
import { q4_0 } from './q4_0.js';
import { q4_1 } from './q4_1.js';
import { q4_k } from './q4_k.js';
import { q5_0, q5_0ToQ8_0 } from './q5_0.js';
import { q5_1 } from './q5_1.js';
import { q5_k } from './q5_k.js';
import { q6_k } from './q6_k.js';
import { q8_0 } from './q8_0.js';

export type { QuantFormat } from './format.js';

export const QUANT: Readonly<Record<DType, QuantFormat>> = {
  f32,
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
};

/** Writes the float32 values of `bytes` to `out`; throws RangeError if the lengths do not belong together. */
export function dequantizeTensor(dtype: DType, bytes: Uint8Array, out: Float32Array): void {
  if (byteLength(dtype, out.length) !== bytes.length)
    throw new RangeError(`${bytes.length} bytes of ${dtype} are not ${out.length} elements`);
  QUANT[dtype].dequantize(bytes, out);
}

/** Writes `x` in the given type; throws RangeError if the type cannot be written or the lengths do not belong together. */
export function quantizeTensor(dtype: DType, x: Float32Array, out: Uint8Array): void {
  const { quantize } = QUANT[dtype];
  if (!quantize) throw new RangeError(`${dtype} is read only`);
  if (byteLength(dtype, x.length) !== out.length)
    throw new RangeError(`${out.length} bytes of ${dtype} do not hold ${x.length} elements`);
  quantize(x, out);
}

/** The type that a stored type is held as in memory. Every value survives exactly. */
export function exactTarget(dtype: DType): DType {
  switch (dtype) {
    case 'q5_0':
      return 'q8_0';
    case 'q3_k':
      return 'q6_k';
    case 'q4_1':
    case 'q5_1':
    case 'q2_k':
    case 'q5_k':
      return 'f32';
    default:
      return dtype;
  }
}

/**
 * Writes whole blocks of `dtype` as their `exactTarget`. `out` must hold as many elements as `bytes` does and, where
 * the target is f32, start at a multiple of four; it must not overlap `bytes`.
 */
export function reencode(dtype: DType, bytes: Uint8Array, out: Uint8Array): void {
  const target = exactTarget(dtype);
  if (target === dtype) out.set(bytes);
  else if (dtype === 'q5_0') q5_0ToQ8_0(bytes, out);
  else if (dtype === 'q3_k') q3_kToQ6_K(bytes, out);
  else dequantizeTensor(dtype, bytes, new Float32Array(out.buffer, out.byteOffset, out.byteLength / 4));
}
