import type { QuantFormat } from './format.js';
import { readHalf } from './half.js';

/** Blocks of 32: [f16 d][f16 m][4 bytes of fifth bits][16 bytes as in Q4_0]; value d·q + m. */
export const q5_1: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 24, first += 32) {
      const d = readHalf(bytes, block);
      const m = readHalf(bytes, block + 2);
      for (let i = 0; i < 32; i++) {
        const nibble = (bytes[block + 8 + (i & 15)] >> ((i >> 4) << 2)) & 15;
        const fifth = (bytes[block + 4 + (i >> 3)] >> (i & 7)) & 1;
        out[first + i] = d * (nibble | (fifth << 4)) + m;
      }
    }
  },
};
