/**
 * What a quantisation format is: two functions over whole blocks. Callers pass matching lengths
 * (`byteLength(dtype, out.length) === bytes.length`); the checks are made once, in index.ts.
 *
 * Block layouts and values are ggml's (ggml-common.h, ggml-quants.c). Its arithmetic is float32, but every product
 * of an 11-bit scale, a 6- or 8-bit sub-scale and a quant has at most 24 significant bits and is therefore exact:
 * a value is rounded at most once, by the subtraction of a minimum. Computing in float64 and rounding on the store
 * into a Float32Array gives the same bits, so the readers need no Math.fround.
 */
export interface QuantFormat {
  dequantize(bytes: Uint8Array, out: Float32Array): void;
  quantize?(x: Float32Array, out: Uint8Array): void;
}
