import type { QuantFormat } from './format.js';
import { readHalf } from './half.js';

/** Blocks of 32: [f16 d][f16 m][16 bytes as in Q4_0]; value d·q + m. */
export const q4_1: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 20, first += 32) {
      const d = readHalf(bytes, block);
      const m = readHalf(bytes, block + 2);
      for (let j = 0; j < 16; j++) {
        const q = bytes[block + 4 + j];
        out[first + j] = d * (q & 15) + m;
        out[first + j + 16] = d * (q >> 4) + m;
      }
    }
  },
};
