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
