import type { QuantFormat } from './format.js';
import { readHalf } from './half.js';

/**
 * Super-blocks of 256 in 16 sub-blocks of 16: [16 bytes: scale in the low, minimum in the high half]
 * [64 bytes of 2-bit quants][f16 d][f16 dmin]; value d·scale·q − dmin·minimum.
 * Bits 2s and 2s + 1 of byte b of each 32-byte half hold element 32s + b of that half's 128.
 */
export const q2_k: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 84, first += 256) {
      const d = readHalf(bytes, block + 80);
      const dmin = readHalf(bytes, block + 82);
      for (let sub = 0; sub < 16; sub++) {
        const scale = d * (bytes[block + sub] & 15);
        const min = dmin * (bytes[block + sub] >> 4);
        const at = block + 16 + (sub >> 3) * 32 + (sub & 1) * 16;
        const shift = sub & 6;
        for (let i = 0; i < 16; i++) out[first + 16 * sub + i] = scale * ((bytes[at + i] >> shift) & 3) - min;
      }
    }
  },
};
