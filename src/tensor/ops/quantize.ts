import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { X8_BLOCK, X16_BLOCK } from './layout-constants.js';

const BLOCKS_PER_PIECE = 256;

/** Bytes of `tokens` × `cols` quantised activations; `cols` is a multiple of 32. */
export function quantizedBytes(tokens: number, cols: number, bits: 8 | 16): number {
  return tokens * (cols / 32) * (bits === 8 ? X8_BLOCK : X16_BLOCK);
}

/**
 * Where an operation leaves its result: as f32, as quantised activations (a row of columns a multiple of 32 in one
 * pass, the same blocks as `quantize` makes), or both. An address of 0 is not written.
 */
export interface Result {
  y?: number;
  /** `quantizedBytes` bytes. */
  quantized?: number;
  bits?: 8 | 16;
}

export interface QuantizeArgs {
  /** f32 [tokens, cols]. */
  x: number;
  /** `quantizedBytes` bytes. */
  out: number;
  tokens: number;
  /** A multiple of 32. */
  cols: number;
  /** Width of the stored integers; the values are the same. */
  bits: 8 | 16;
}

/** Blocks of 32 activations as integers of −127 to 127 (nearest, ties to even) and a scale of max |x| / 127. */
export function quantize(p: Program, { x, out, tokens, cols, bits }: QuantizeArgs): void {
  const blocks = (tokens * cols) / 32;
  p.emit(Op.quantize, Math.ceil(blocks / BLOCKS_PER_PIECE), [x, out, blocks, bits, BLOCKS_PER_PIECE]);
}
