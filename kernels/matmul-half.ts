/**
 * Four f16 at `p` as f32, like loadF16, but never through a subnormal f32: x86 spends some 50 to 150 cycles on each,
 * and the scales of K types are subnormal halves more often than not. n is right for normal halves; for subnormal ones
 * it is 2^-15 + value/2, below 2^-14, and n + (n − 2^-14) is the value. Both steps are exact.
 */
// @ts-ignore: decorator
@inline
export function loadHalf(p: usize): v128 {
  const bits = v128.load16x4_s(p);
  const n = i32x4.add(v128.and(i32x4.shl(bits, 13), i32x4.splat(0x0fffe000)), i32x4.splat(0x38000000));
  const below = f32x4.pmin(f32x4.sub(n, f32x4.splat(reinterpret<f32>(0x38800000))), f32x4.splat(0));
  return v128.or(f32x4.add(n, below), v128.and(bits, i32x4.splat(0x80000000)));
}
