/**
 * Random numbers by counting: the number of an element follows from the seed's two words and its index alone. Two rounds of
 * a 32-bit mixing function with low bias; the words differ between seeds as if drawn at random (src/tensor/ops/random.ts).
 */
import { float, int, ptr } from './record';
import { lanes, putLanes } from './simd';

// @ts-ignore: decorator
@inline
function mix(x: v128): v128 {
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x7feb352d));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 15)), i32x4.splat(<i32>0x846ca68b));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

/** 32 random bits for each of four elements from `index` on. */
// @ts-ignore: decorator
@inline
function randomBits(index: i32, first: i32, second: i32): v128 {
  const indices = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  return mix(i32x4.add(mix(v128.xor(indices, i32x4.splat(first))), i32x4.splat(second)));
}

/** y = x · factor, or 0 where the random bits are below `threshold`. Ints: x, y, n, elements a piece, seed, seed, threshold. Float: factor. */
export function dropout(op: usize, piece: i32, scratch: usize): void {
  const start = piece * int(op, 3);
  const n = min(int(op, 3), int(op, 2) - start);
  const x = ptr(op, 0) + (<usize>start << 2);
  const y = ptr(op, 1) + (<usize>start << 2);
  let i = 0;
  for (; i + 4 <= n; i += 4) dropLanes(op, x + (<usize>i << 2), y + (<usize>i << 2), start + i, true);
  for (; i < n; i++) dropLanes(op, x + (<usize>i << 2), y + (<usize>i << 2), start + i, false);
}

// @ts-ignore: decorator
@inline
function dropLanes(op: usize, x: usize, y: usize, index: i32, whole: bool): void {
  const dropped = i32x4.lt_u(randomBits(index, int(op, 4), int(op, 5)), i32x4.splat(int(op, 6)));
  putLanes(y, v128.andnot(f32x4.mul(lanes(x, whole), f32x4.splat(float(op, 0))), dropped), whole);
}

/** y = x + u, u uniform in [−amount, amount). Ints: x, y, n, elements a piece, seed, seed. Float: amount · 2^-31. */
export function addNoise(op: usize, piece: i32, scratch: usize): void {
  const start = piece * int(op, 3);
  const n = min(int(op, 3), int(op, 2) - start);
  const x = ptr(op, 0) + (<usize>start << 2);
  const y = ptr(op, 1) + (<usize>start << 2);
  let i = 0;
  for (; i + 4 <= n; i += 4) noiseLanes(op, x + (<usize>i << 2), y + (<usize>i << 2), start + i, true);
  for (; i < n; i++) noiseLanes(op, x + (<usize>i << 2), y + (<usize>i << 2), start + i, false);
}

// @ts-ignore: decorator
@inline
function noiseLanes(op: usize, x: usize, y: usize, index: i32, whole: bool): void {
  const noise = f32x4.convert_i32x4_s(randomBits(index, int(op, 4), int(op, 5)));
  putLanes(y, f32x4.add(lanes(x, whole), f32x4.mul(noise, f32x4.splat(float(op, 0)))), whole);
}
