/** The value of f16 bits, in float64 (IEEE 754 binary16). */
export function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1024 + mantissa) * 2 ** (exponent - 25) : mantissa * 2 ** -24);
}

/** The f16 bits nearest to a finite x; ties to even, overflow to infinity. Searches the ordered magnitudes. */
export function toF16(x: number): number {
  const magnitude = Math.abs(x);
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  let low = 0;
  let high = 0x7c00;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fromF16(middle) <= magnitude) low = middle;
    else high = middle;
  }
  // Infinity stands where the next finite value, 65536, would be.
  const above = high === 0x7c00 ? 65_536 : fromF16(high);
  const toAbove = above - magnitude;
  const toBelow = magnitude - fromF16(low);
  return sign | (toAbove < toBelow || (toAbove === toBelow && (low & 1) === 1) ? high : low);
}

const nearestEven = (x: number): number => {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
};

/** Up to 32 values as the 8-bit cache holds them: integers times a scale that is an f16. */
export function toInt8(block: Float32Array): { integers: Int8Array; scale: number } {
  const largest = block.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const scale = fromF16(toF16(Math.fround(largest / 127)));
  const inverse = scale > 0 ? Math.fround(1 / scale) : 0;
  const integer = (x: number) => Math.max(-127, Math.min(127, nearestEven(Math.fround(x * inverse))));
  return { integers: Int8Array.from(block, integer), scale };
}

/** Up to 32 values rounded as 8-bit activations are: the scale is an f32. */
function roundActivations(block: Float32Array): Float32Array {
  const largest = block.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const scale = Math.fround(largest / 127);
  const inverse = largest < 1e-30 ? 0 : Math.fround(127 / largest);
  return block.map((x) => nearestEven(Math.fround(x * inverse)) * scale);
}

/** Heads of `headDim` values, rounded in blocks of 32 as keys and values are in the 8-bit cache, or as queries. */
export function roundHeads(x: Float32Array, headDim: number, what: 'cache' | 'queries'): Float32Array {
  const out = new Float32Array(x.length);
  for (let head = 0; head < x.length; head += headDim) {
    for (let d = 0; d < headDim; d += 32) {
      const block = x.subarray(head + d, head + Math.min(headDim, d + 32));
      if (what === 'queries') out.set(roundActivations(block), head + d);
      else {
        const { integers, scale } = toInt8(block);
        out.set(
          Float32Array.from(integers, (n) => n * scale),
          head + d,
        );
      }
    }
  }
  return out;
}
