import type { QuantFormat } from './format.js';
import { HALF, toBFloat, toHalf, write16 } from './half.js';

/** Types that are no quantisation: one number an element. */

export const f32: QuantFormat = {
  dequantize(bytes, out) {
    byteView(out).set(bytes);
  },
  quantize(x, out) {
    out.set(byteView(x));
  },
};

export const f16: QuantFormat = {
  dequantize(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i++, at += 2) out[i] = HALF[bytes[at] | (bytes[at + 1] << 8)];
  },
  quantize(x, out) {
    for (let i = 0; i < x.length; i++) write16(out, 2 * i, toHalf(x[i]));
  },
};

export const bf16: QuantFormat = {
  dequantize(bytes, out) {
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0, at = 0; i < words.length; i++, at += 2) words[i] = (bytes[at] << 16) | (bytes[at + 1] << 24);
  },
  quantize(x, out) {
    const words = new Uint32Array(x.buffer, x.byteOffset, x.length);
    for (let i = 0; i < words.length; i++) write16(out, 2 * i, toBFloat(words[i]));
  },
};

function byteView(x: Float32Array): Uint8Array {
  return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
}
