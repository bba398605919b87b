/**
 * How matrices lie in memory. Float types keep the file's rows. Quantised types are repacked into panels of 16 rows
 * (the last one padded with zero rows), which decoding reads from start to end. In a panel a *vector* is 64 bytes:
 * lane r (4 bytes) belongs to row r and holds 4 consecutive columns, one a byte.
 *
 * - q8_0, each block of 32 columns: 16 f16 scales; 8 vectors of int8, vector j = columns 4j to 4j+3.
 * - q4_0, each block of 32: 16 f16 scales; 4 nibble vectors: low halves columns 4j.., high halves columns 16+4j...
 * - q4_k, each super-block of 256: 16 f16 d; 16 f16 dmin; for each of 8 sub-blocks of 32: 16 scales (u8), 16 minima
 *   (u8), 4 nibble vectors as in q4_0.
 * - q6_k, each super-block of 256: 16 f16 d; 16 sub-blocks × 16 rows of int8 scales; for each of 8 blocks of 32:
 *   4 nibble vectors (low four bits, as in q4_0) and 2 vectors of the high two bits: in vector h, bits 0-1 belong to
 *   columns 8h.., bits 2-3 to 16+8h.., bits 4-5 to 8h+4.., bits 6-7 to 16+8h+4...
 */
import { KaiwenError } from '../../errors.js';
import { DTYPES } from '../dtype.js';
import type { Simd } from '../kernels.js';
import { Held, PANEL, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK } from './layout-constants.js';

/** Types that a matrix may be held in: the ones with kernels. */
export type HeldType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_k' | 'q6_k';

export const HELD: Readonly<Record<HeldType, Held>> = {
  f32: Held.f32,
  f16: Held.f16,
  bf16: Held.bf16,
  q8_0: Held.q8_0,
  q4_0: Held.q4_0,
  q4_k: Held.q4_k,
  q6_k: Held.q6_k,
};

const PANEL_BLOCKS = { q8_0: Q8_0_BLOCK, q4_0: Q4_0_BLOCK, q4_k: Q4_K_BLOCK, q6_k: Q6_K_BLOCK } as const;

export function isFloat(type: HeldType): type is 'f32' | 'f16' | 'bf16' {
  return type === 'f32' || type === 'f16' || type === 'bf16';
}

/** Bytes of 16 rows (one panel of a quantised type). */
export function panelBytes(type: HeldType, cols: number): number {
  if (isFloat(type)) return PANEL * cols * DTYPES[type].bytes;
  const { block } = DTYPES[type];
  if (cols % block !== 0)
    throw new KaiwenError('internal', `${cols} columns are not whole ${type} blocks of ${block}.`);
  return (cols / block) * PANEL_BLOCKS[type];
}

/** Bytes of a matrix as held in memory. */
export function heldBytes(type: HeldType, rows: number, cols: number): number {
  if (isFloat(type)) return rows * cols * DTYPES[type].bytes;
  return Math.ceil(rows / PANEL) * panelBytes(type, cols);
}

/** What the kernel of a weight type reads: 0 = float32 activations, 8 or 16 = quantised ones of that many bits. */
export function activationBits(type: HeldType, simd: Simd, native = false): 0 | 8 | 16 {
  if (isFloat(type)) return 0;
  return native || (simd === 'relaxed' && type !== 'q8_0') ? 8 : 16;
}
