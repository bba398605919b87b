import type { QuantFormat } from './format.js';
import { readHalf, toScale, write16 } from './half.js';

/** Blocks of 32: [f16 d][16 bytes: element j in the low, j + 16 in the high half]; value d·(q − 8). */
export const q4_0: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 18, first += 32) {
      const d = readHalf(bytes, block);
      for (let j = 0; j < 16; j++) {
        const q = bytes[block + 2 + j];
        out[first + j] = d * ((q & 15) - 8);
        out[first + j + 16] = d * ((q >> 4) - 8);
      }
    }
  },

  // The element of largest magnitude becomes −8 exactly; float32 steps as in ggml's reference quantiser.
  quantize(x, out) {
    for (let block = 0, first = 0; first < x.length; block += 18, first += 32) {
      let extreme = 0;
      for (let i = first; i < first + 32; i++) if (Math.abs(x[i]) > Math.abs(extreme)) extreme = x[i];
      const d = Math.fround(extreme / -8);
      const inverse = d ? Math.fround(1 / d) : 0;
      write16(out, block, toScale(d));
      for (let j = 0; j < 16; j++) {
        const low = Math.min(15, Math.fround(Math.fround(x[first + j] * inverse) + 8.5) | 0);
        const high = Math.min(15, Math.fround(Math.fround(x[first + j + 16] * inverse) + 8.5) | 0);
        out[block + 2 + j] = low | (high << 4);
      }
    }
  },
};
