/**
 * Small integer dot products of weights with a broadcast word of activations. Lanes are rows: a 32-bit lane of the
 * weights holds four columns (bytes) or two (int16).
 */

/** sums (i16 pairs) + four byte columns. Weights are 0 to 127; the caller sees to it that the final sum fits 16 bits. */
// @ts-ignore: decorator
@inline
export function dot8(sums: v128, weights: v128, x: v128): v128 {
  return i16x8.add(sums, four8(weights, x));
}

/** Pairs of four byte columns. Plain SIMD has no such instruction, and no kernel that comes here. */
// @ts-ignore: decorator
@inline
export function four8(weights: v128, x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(x, weights);
  return unreachable();
}

/** sums (i32) + pairs of 16-bit columns. */
// @ts-ignore: decorator
@inline
export function dot16(sums: v128, weights: v128, x: v128): v128 {
  return i32x4.add(sums, i32x4.dot_i16x8_s(weights, x));
}

/** [a0+a1, a2+a3, b0+b1, b2+b3]: two accumulators of (row, row) × (pair, pair) as one of four rows. */
// @ts-ignore: decorator
@inline
export function joinRows(a: v128, b: v128): v128 {
  const even = i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  const odd = i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  return i32x4.add(even, odd);
}

// @ts-ignore: decorator
@inline
export function lowNibbles(v: v128): v128 {
  return v128.and(v, i8x16.splat(15));
}

// @ts-ignore: decorator
@inline
export function highNibbles(v: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), i8x16.splat(15));
}

/** Four unsigned bytes as i32 lanes. */
// @ts-ignore: decorator
@inline
export function bytesU(p: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
}

/** Four signed bytes as i32 lanes. */
// @ts-ignore: decorator
@inline
export function bytesS(p: usize): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)));
}

/** Four signed bytes, each as both 16-bit halves of a lane: what scales a lane of two 16-bit sums. */
// @ts-ignore: decorator
@inline
export function bytePairs(p: usize): v128 {
  const s = i16x8.extend_low_i8x16_s(v128.load32_zero(p));
  return i8x16.shuffle(s, s, 0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7);
}

/** One of the four 32-bit lanes in all four. */
// @ts-ignore: decorator
@inline
export function lane0(v: v128): v128 {
  return i8x16.shuffle(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
}

// @ts-ignore: decorator
@inline
export function lane1(v: v128): v128 {
  return i8x16.shuffle(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
}

// @ts-ignore: decorator
@inline
export function lane2(v: v128): v128 {
  return i8x16.shuffle(v, v, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11);
}

// @ts-ignore: decorator
@inline
export function lane3(v: v128): v128 {
  return i8x16.shuffle(v, v, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15);
}

/** One of the two 64-bit halves in both. */
// @ts-ignore: decorator
@inline
export function lowHalf(v: v128): v128 {
  return i8x16.shuffle(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
}

// @ts-ignore: decorator
@inline
export function highHalf(v: v128): v128 {
  return i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
}

/** start (i16 pairs) + a block of four rows in nibbles at q (a vector every 64 bytes) × its 32 columns of x. */
// @ts-ignore: decorator
@inline
export function nibbles8(
  q: usize, x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, x6: v128, x7: v128, start: v128,
): v128 {
  let v = v128.load(q);
  let a = dot8(dot8(start, lowNibbles(v), x0), highNibbles(v), x4);
  v = v128.load(q, 64);
  a = dot8(dot8(a, lowNibbles(v), x1), highNibbles(v), x5);
  v = v128.load(q, 128);
  a = dot8(dot8(a, lowNibbles(v), x2), highNibbles(v), x6);
  v = v128.load(q, 192);
  return dot8(dot8(a, lowNibbles(v), x3), highNibbles(v), x7);
}
