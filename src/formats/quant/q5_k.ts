import type { QuantFormat } from './format.js';
import { readHalf } from './half.js';
import { readMin, readScale } from './k-scales.js';

/**
 * Super-blocks of 256 in 8 sub-blocks of 32: [f16 d][f16 dmin][12 bytes of scales and minima]
 * [32 bytes: bit s of byte i is the fifth bit of element i of sub-block s][128 bytes as in Q4_K];
 * value d·scale·q − dmin·minimum.
 */
export const q5_k: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 176, first += 256) {
      const d = readHalf(bytes, block);
      const dmin = readHalf(bytes, block + 2);
      for (let sub = 0; sub < 8; sub++) {
        const scale = d * readScale(bytes, block + 4, sub);
        const min = dmin * readMin(bytes, block + 4, sub);
        const at = block + 48 + (sub >> 1) * 32;
        const shift = (sub & 1) << 2;
        for (let i = 0; i < 32; i++) {
          const q = ((bytes[at + i] >> shift) & 15) | (((bytes[block + 16 + i] >> sub) & 1) << 4);
          out[first + 32 * sub + i] = scale * q - min;
        }
      }
    }
  },
};
