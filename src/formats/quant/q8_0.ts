import type { QuantFormat } from './format.js';
import { readHalf, toScale, write16 } from './half.js';

/** Blocks of 32: [f16 d][32 × int8 q]; value d·q. */
export const q8_0: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, i = 0; i < out.length; block += 34) {
      const d = readHalf(bytes, block);
      for (let at = block + 2; at < block + 34; at++, i++) out[i] = d * ((bytes[at] << 24) >> 24);
    }
  },

  // Rounding half away from zero in float32 steps, so that the bytes are those of ggml's reference quantiser.
  quantize(x, out) {
    for (let block = 0, first = 0; first < x.length; block += 34, first += 32) {
      let largest = 0;
      for (let i = first; i < first + 32; i++) {
        const magnitude = Math.abs(x[i]);
        if (magnitude > largest) largest = magnitude;
      }
      const d = Math.fround(largest / 127);
      const inverse = d ? Math.fround(1 / d) : 0;
      write16(out, block, toScale(d));
      for (let i = 0; i < 32; i++) {
        const v = Math.fround(x[first + i] * inverse);
        out[block + 2 + i] = v < 0 ? -((0.5 - v) | 0) : (v + 0.5) | 0;
      }
    }
  },
};
