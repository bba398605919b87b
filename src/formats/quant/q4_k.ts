import type { QuantFormat } from './format.js';
import { HALF, readHalf, toScale, write16 } from './half.js';
import { readMin, readScale, writeScales } from './k-scales.js';

/**
 * Super-blocks of 256 in 8 sub-blocks of 32: [f16 d][f16 dmin][12 bytes of scales and minima]
 * [128 bytes: 32 for each pair of sub-blocks, the even one in the low halves]; value d·scale·q − dmin·minimum.
 */
export const q4_k: QuantFormat = {
  dequantize(bytes, out) {
    for (let block = 0, first = 0; first < out.length; block += 144, first += 256) {
      const d = readHalf(bytes, block);
      const dmin = readHalf(bytes, block + 2);
      for (let sub = 0; sub < 8; sub++) {
        const scale = d * readScale(bytes, block + 4, sub);
        const min = dmin * readMin(bytes, block + 4, sub);
        const at = block + 16 + (sub >> 1) * 32;
        const shift = (sub & 1) << 2;
        for (let i = 0; i < 32; i++) out[first + 32 * sub + i] = scale * ((bytes[at + i] >> shift) & 15) - min;
      }
    }
  },

  quantize(x, out) {
    for (let block = 0, first = 0; first < x.length; block += 144, first += 256) {
      for (let sub = 0; sub < 8; sub++) fitSubBlock(x, first + 32 * sub, sub);
      const d = toScale(Math.max(...fitScales) / 63);
      const dmin = toScale(Math.max(...fitMins) / 63);
      write16(out, block, d);
      write16(out, block + 2, dmin);
      const dInverse = HALF[d] ? 1 / HALF[d] : 0;
      const dminInverse = HALF[dmin] ? 1 / HALF[dmin] : 0;
      for (let sub = 0; sub < 8; sub++) {
        scales[sub] = Math.min(63, fitScales[sub] * dInverse + 0.5);
        mins[sub] = Math.min(63, fitMins[sub] * dminInverse + 0.5);
      }
      writeScales(out, block + 4, scales, mins);
      for (let sub = 0; sub < 8; sub += 2) {
        const low = HALF[d] * scales[sub];
        const high = HALF[d] * scales[sub + 1];
        const lowMin = HALF[dmin] * mins[sub];
        const highMin = HALF[dmin] * mins[sub + 1];
        const lowInverse = low ? 1 / low : 0;
        const highInverse = high ? 1 / high : 0;
        const from = first + 32 * sub;
        const at = block + 16 + 16 * sub;
        for (let i = 0; i < 32; i++) {
          const a = nearest((x[from + i] + lowMin) * lowInverse);
          const b = nearest((x[from + 32 + i] + highMin) * highInverse);
          out[at + i] = a | (b << 4);
        }
      }
    }
  },
};

const fitScales = new Float64Array(8);
const fitMins = new Float64Array(8);
const scales = new Uint8Array(8);
const mins = new Uint8Array(8);
const weights = new Float64Array(32);

function nearest(v: number): number {
  return v > 0 ? Math.min(15, (v + 0.5) | 0) : 0;
}

/** Grid steps tried for the range, as quotients of the range by 15 levels; below one the extremes are clipped. */
const FIRST_STEP = 0.72;
const LAST_STEP = 1.04;
const STEPS = 16;

/**
 * Finds scale ≥ 0 and minimum ≥ 0 with x ≈ scale·q − minimum for one sub-block: for each of several grids, rounds to
 * levels and solves the weighted least squares for the two numbers; the grid with the least error wins. Larger
 * weights count more (root mean square + magnitude), as they carry more of a dot product.
 */
function fitSubBlock(x: Float32Array, first: number, sub: number): void {
  let low = 0;
  let high = x[first];
  let squares = 0;
  for (let i = first; i < first + 32; i++) {
    const v = x[i];
    if (v < low) low = v;
    if (v > high) high = v;
    squares += v * v;
  }
  fitScales[sub] = 0;
  fitMins[sub] = -low;
  if (!(high > low)) return;

  const rms = Math.sqrt(squares / 32);
  let sumW = 0;
  let sumX = 0;
  for (let i = 0; i < 32; i++) {
    const v = x[first + i];
    const w = rms + Math.abs(v);
    weights[i] = w;
    sumW += w;
    sumX += w * v;
  }
  const middle = (low + high) / 2;
  let bestGain = Number.NEGATIVE_INFINITY;
  for (let step = 0; step < STEPS; step++) {
    const width = FIRST_STEP + ((LAST_STEP - FIRST_STEP) * step) / (STEPS - 1);
    const inverse = 15 / ((high - low) * width);
    // A grid that does not reach zero at one end keeps that end; others shrink towards the middle.
    const origin = low < 0 ? middle - 7.5 / inverse : 0;
    let sumQ = 0;
    let sumQQ = 0;
    let sumXQ = 0;
    for (let i = 0; i < 32; i++) {
      const v = x[first + i];
      const t = (v - origin) * inverse + 0.5;
      const q = t < 0 ? 0 : t > 15 ? 15 : t | 0;
      const wq = weights[i] * q;
      sumQ += wq;
      sumQQ += wq * q;
      sumXQ += wq * v;
    }
    // Least squares of scale·q + offset; the error is Σw·x² minus this gain.
    const determinant = sumW * sumQQ - sumQ * sumQ;
    let scale = (sumW * sumXQ - sumX * sumQ) / determinant;
    let offset = (sumQQ * sumX - sumQ * sumXQ) / determinant;
    // All quants equal (a determinant of nothing but rounding), or a minimum of the wrong sign: the scale alone.
    if (!(determinant > 1e-9 * sumW * sumQQ) || offset > 0) {
      offset = 0;
      scale = sumQQ > 0 ? sumXQ / sumQQ : 0;
    }
    const gain = scale * sumXQ + offset * sumX;
    if (scale > 0 && gain > bestGain) {
      bestGain = gain;
      fitScales[sub] = scale;
      fitMins[sub] = -offset;
    }
  }
}
