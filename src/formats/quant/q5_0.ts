import type { QuantFormat } from './format.js';
import { readHalf } from './half.js';

/** Blocks of 32: [f16 d][4 bytes: the fifth bits, element i in bit i][16 bytes as in Q4_0]; value d·(q − 16). */
export const q5_0: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 22, first += 32) {
      const d = readHalf(bytes, block);
      for (let i = 0; i < 32; i++) out[first + i] = d * quant5(bytes, block + 2, i);
    }
  },
};

/** Q5_0 in Q8_0's bytes: the same scale, and quants from −16 to 15 fit eight bits, so no value changes. */
export function q5_0ToQ8_0(bytes: Uint8Array, out: Uint8Array): void {
  for (let from = 0, to = 0; from < bytes.length; from += 22, to += 34) {
    out[to] = bytes[from];
    out[to + 1] = bytes[from + 1];
    for (let i = 0; i < 32; i++) out[to + 2 + i] = quant5(bytes, from + 2, i);
  }
}

function quant5(bytes: Uint8Array, at: number, i: number): number {
  const nibble = (bytes[at + 4 + (i & 15)] >> ((i >> 4) << 2)) & 15;
  return (nibble | (((bytes[at + (i >> 3)] >> (i & 7)) & 1) << 4)) - 16;
}
