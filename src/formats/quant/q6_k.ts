import type { QuantFormat } from './format.js';
import { HALF, readHalf, toScale, write16 } from './half.js';

/**
 * Super-blocks of 256 in 16 sub-blocks of 16: [128 bytes of low four bits][64 bytes of high two bits]
 * [16 × int8 scale][f16 d]; value d·scale·(q − 32). Each half of 128 elements is four runs of 32: byte b of its 64
 * low bytes holds elements b and b + 64; byte b of its 32 high bytes holds elements b, b + 32, b + 64, b + 96.
 */
export const q6_k: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 210, first += 256) {
      const d = readHalf(bytes, block + 208);
      for (let sub = 0; sub < 16; sub++) {
        const scale = d * ((bytes[block + 192 + sub] << 24) >> 24);
        const half = sub >> 3;
        const run = (sub >> 1) & 3;
        const low = block + 64 * half + 32 * (run & 1) + 16 * (sub & 1);
        const high = block + 128 + 32 * half + 16 * (sub & 1);
        const lowShift = (run >> 1) << 2;
        const highShift = run << 1;
        for (let i = 0; i < 16; i++) {
          const q = ((bytes[low + i] >> lowShift) & 15) | (((bytes[high + i] >> highShift) & 3) << 4);
          out[first + 16 * sub + i] = scale * (q - 32);
        }
      }
    }
  },

  quantize(x, out) {
    for (let block = 0, first = 0; first < x.length; block += 210, first += 256) {
      let extreme = 0;
      for (let sub = 0; sub < 16; sub++) {
        fit[sub] = fitSubBlock(x, first + 16 * sub);
        if (Math.abs(fit[sub]) > Math.abs(extreme)) extreme = fit[sub];
      }
      const d = toScale(extreme / -128);
      write16(out, block + 208, d);
      const inverse = HALF[d] ? 1 / HALF[d] : 0;
      for (let sub = 0; sub < 16; sub++) {
        const scale = Math.max(-128, Math.min(127, Math.round(fit[sub] * inverse)));
        out[block + 192 + sub] = scale;
        const step = HALF[d] * scale;
        const stepInverse = step ? 1 / step : 0;
        for (let i = 16 * sub; i < 16 * sub + 16; i++) {
          const t = x[first + i] * stepInverse + 32.5;
          quants[i] = t < 0 ? 0 : t > 63 ? 63 : t | 0;
        }
      }
      packQ6(quants, out, block);
    }
  },
};

/** Writes 256 quants (0 to 63, in element order) as the first 192 bytes of the block at `at`. */
export function packQ6(q: Uint8Array, out: Uint8Array, at: number): void {
  for (let half = 0; half < 2; half++) {
    const e = 128 * half;
    for (let b = 0; b < 32; b++) {
      out[at + 64 * half + b] = (q[e + b] & 15) | ((q[e + b + 64] & 15) << 4);
      out[at + 64 * half + b + 32] = (q[e + b + 32] & 15) | ((q[e + b + 96] & 15) << 4);
      out[at + 128 + 32 * half + b] =
        (q[e + b] >> 4) | ((q[e + b + 32] >> 4) << 2) | ((q[e + b + 64] >> 4) << 4) | ((q[e + b + 96] >> 4) << 6);
    }
  }
}

const fit = new Float64Array(16);
const quants = new Uint8Array(256);
const STEPS = 9;

/**
 * The scale s that makes s·q, q from −32 to 31, nearest to 16 values: for several grids around the largest
 * magnitude, rounds and solves least squares weighted by x² (large weights carry more of a dot product);
 * the error is Σw·x² minus the gain that is compared.
 */
function fitSubBlock(x: Float32Array, first: number): number {
  let extreme = 0;
  for (let i = first; i < first + 16; i++) if (Math.abs(x[i]) > Math.abs(extreme)) extreme = x[i];
  if (extreme === 0) return 0;
  let best = 0;
  let bestGain = 0;
  for (let step = 0; step < STEPS; step++) {
    const inverse = -(32 - 0.2 * (STEPS - 1 - step) + 0.4) / extreme;
    let sumXQ = 0;
    let sumQQ = 0;
    for (let i = first; i < first + 16; i++) {
      const v = x[i];
      const t = v * inverse + 32.5;
      const q = (t < 0 ? 0 : t > 63 ? 63 : t | 0) - 32;
      const w = v * v;
      sumXQ += w * v * q;
      sumQQ += w * q * q;
    }
    const gain = sumQQ > 0 ? (sumXQ * sumXQ) / sumQQ : 0;
    if (gain > bestGain) {
      bestGain = gain;
      best = sumXQ / sumQQ;
    }
  }
  return best;
}
