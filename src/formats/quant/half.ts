/** Sixteen-bit floats: IEEE half precision and bfloat16, both directions, rounded to nearest even. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The value of every half, by its 16 bits. */
export const HALF: Float32Array = halfTable();

/** The half nearest to a float32; overflow gives infinity, as IEEE 754 says. */
export function toHalf(x: number): number {
  float[0] = x;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // from 65,520 on
  if (magnitude < 0x38800000) {
    // Subnormal: one half has the spacing 2^-24 of these halves, so adding it rounds to them.
    float[0] = Math.abs(float[0]) + 0.5;
    return sign | (bits[0] - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The half nearest to a block's scale, held at the largest finite one so that no block turns into NaN. */
export function toScale(x: number): number {
  const half = toHalf(x);
  return (half & 0x7fff) === 0x7c00 ? half - 1 : half;
}

/** The bfloat16 nearest to the float32 whose bits are given. */
export function toBFloat(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** Reads the little-endian half at a byte offset. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return HALF[bytes[at] | (bytes[at + 1] << 8)];
}

export function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

function halfTable(): Float32Array {
  const table = new Float32Array(65536);
  const words = new Uint32Array(table.buffer);
  for (let i = 0; i < 32768; i++) {
    const exponent = i >>> 10;
    const mantissa = i & 1023;
    // 112: the difference of the biases. Infinity and NaN have all bits of the exponent set.
    if (exponent === 0) table[i] = mantissa / 16_777_216;
    else words[i] = ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
    words[i + 32768] = words[i] | 0x8000_0000;
  }
  return table;
}
