/** The few vector idioms that every kernel shares. Relaxed SIMD is chosen when the module is compiled, not at run time. */

/** a × b + c, fused where the machine does it. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Four values at `p`, or the one that is left at the end of a row and zeros. */
// @ts-ignore: decorator
@inline
export function lanes(p: usize, four: bool): v128 {
  return four ? v128.load(p) : v128.load32_zero(p);
}

// @ts-ignore: decorator
@inline
export function putLanes(p: usize, x: v128, four: bool): void {
  if (four) v128.store(p, x);
  else v128.store32_lane(p, x, 0);
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sum(a: v128): f32 {
  const pairs = f32x4.add(a, i8x16.shuffle(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/**
 * Four f16 values at `p` as f32. Shifting exponent and mantissa into place leaves a number 2^112 too small,
 * subnormals included, so one multiplication finishes it. Infinities and NaN become large finite numbers.
 */
// @ts-ignore: decorator
@inline
export function loadF16(p: usize): v128 {
  const bits = v128.and(i32x4.shl(v128.load16x4_s(p), 13), i32x4.splat(0x8fffe000));
  return f32x4.mul(bits, f32x4.splat(reinterpret<f32>(0x77800000)));
}

/** Four bf16 values at `p` as f32. */
// @ts-ignore: decorator
@inline
export function loadBF16(p: usize): v128 {
  return i32x4.shl(v128.load16x4_u(p), 16);
}

/** Four f32 values as f16 bits in the low 16 bits of each lane, rounded to nearest even; overflow becomes infinity. */
// @ts-ignore: decorator
@inline
export function toF16(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  // Normal results: rebias the exponent and round to nearest even on the 13 bits that go.
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(<i32>0xc8000fff)), odd), 13);
  // Subnormal results: adding 0.5 lets the adder round to the right multiple of 2^-24.
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const isSmall = i32x4.lt_s(magnitude, i32x4.splat(0x38800000));
  const isLarge = i32x4.gt_s(magnitude, i32x4.splat(0x477fefff));
  let half = v128.bitselect(small, normal, isSmall);
  half = v128.bitselect(i32x4.splat(0x7c00), half, isLarge);
  return v128.or(half, sign);
}

/** Four f32 values as bf16 bits in the low 16 bits of each lane, rounded to nearest even. */
// @ts-ignore: decorator
@inline
export function toBF16(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  return i32x4.shr_u(i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), odd), 16);
}

/** The low 16 bits of each lane, stored as four consecutive 16-bit values. */
// @ts-ignore: decorator
@inline
export function storeLow16(p: usize, x: v128): void {
  const packed = i8x16.shuffle(x, x, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13);
  store<i64>(p, i64x2.extract_lane(packed, 0));
}

/**
 * e^x in each lane, within 2 units in the last place for x in [-87, 88]; below, 0; NaN stays. Cody-Waite reduction and a
 * degree-6 polynomial. Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // pmax and pmin are one instruction each, and keep a NaN that comes first.
  const clamped = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-88.0)), f32x4.splat(88.3762626647949));
  const shifted = madd(clamped, f32x4.splat(1.44269504088896341), f32x4.splat(12582912.0));
  const n = f32x4.sub(shifted, f32x4.splat(12582912.0));
  let r = madd(n, f32x4.splat(-0.693359375), clamped);
  r = madd(n, f32x4.splat(2.12194440e-4), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  const y = f32x4.add(madd(f32x4.mul(r, r), p, r), f32x4.splat(1.0));
  const scale = i32x4.add(i32x4.shl(shifted, 23), i32x4.splat(0x3f800000));
  return v128.andnot(f32x4.mul(y, scale), f32x4.lt(x, f32x4.splat(-87.33654)));
}

/** 1 / (1 + e^-x) in each lane. */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp(f32x4.neg(x))));
}
