import type { QuantFormat } from './format.js';
import { readHalf } from './half.js';
import { packQ6 } from './q6_k.js';

/**
 * Super-blocks of 256 in 16 sub-blocks of 16: [32 bytes of third bits][64 bytes of low two bits, placed as in Q2_K]
 * [12 bytes: sixteen 6-bit scales][f16 d]; value d·(scale − 32)·(q − 4).
 */
export const q3_k: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 110, first += 256) {
      const d = readHalf(bytes, block + 108);
      for (let sub = 0; sub < 16; sub++) {
        const scale = d * subScale(bytes, block + 96, sub);
        for (let i = 0; i < 16; i++) out[first + 16 * sub + i] = scale * quant3(bytes, block, sub, i);
      }
    }
  },
};

const quants = new Uint8Array(256);

/** Q3_K in Q6_K's bytes: same sub-blocks, scales from −32 to 31 fit int8, quants from −4 to 3 fit six bits. */
export function q3_kToQ6_K(bytes: Uint8Array, out: Uint8Array): void {
  for (let from = 0, to = 0; from < bytes.length; from += 110, to += 210) {
    for (let sub = 0; sub < 16; sub++) {
      out[to + 192 + sub] = subScale(bytes, from + 96, sub);
      for (let i = 0; i < 16; i++) quants[16 * sub + i] = quant3(bytes, from, sub, i) + 32;
    }
    packQ6(quants, out, to);
    out[to + 208] = bytes[from + 108];
    out[to + 209] = bytes[from + 109];
  }
}

/** Low four bits in the first eight bytes (scales 0 to 7, then 8 to 15), high two in the last four (0, 4, 8, 12 in byte 0). */
function subScale(bytes: Uint8Array, at: number, sub: number): number {
  const low = (bytes[at + (sub & 7)] >> ((sub >> 3) << 2)) & 15;
  const high = (bytes[at + 8 + (sub & 3)] >> ((sub >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

function quant3(bytes: Uint8Array, block: number, sub: number, i: number): number {
  const column = (sub & 1) * 16 + i;
  const low = (bytes[block + 32 + (sub >> 3) * 32 + column] >> (sub & 6)) & 3;
  return low - ((bytes[block + column] >> (sub >> 1)) & 1 ? 0 : 4);
}
