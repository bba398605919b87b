/**
 * The 8-bit KV cache: each head's 32 dimensions of a position are one block, int8 from −127 to 127 and an f16 scale.
 * Keys are panels of 16 positions as a q8_0 matrix has them (src/tensor/ops/layout.ts): [position / 16][depth / 32],
 * each 544 bytes: 16 scales, then 8 vectors whose lane r holds 4 dimensions of position r. Values are
 * [depth / 32][position / 16], each 544 bytes: 16 scales, then [16][32] int8. Depth is a multiple of 32.
 */
import { KV_BLOCK, KV_PAGE, KV_PANEL } from '../src/tensor/ops/kv-constants';
import { Q8_0_BLOCK } from '../src/tensor/ops/layout-constants';
import { loadHalf } from './matmul-half';
import { toF16 } from './simd';

const DIMS: i32 = KV_BLOCK;

/** Bytes of one head in a page. */
// @ts-ignore: decorator
@inline
export function headBytes8(depth: i32): usize {
  return (KV_PAGE / KV_PANEL) * <usize>(depth / KV_BLOCK) * Q8_0_BLOCK;
}

/** Stores a head's key of `dim` floats. Scratch: 160 bytes. */
export function storeKey8(src: usize, head: usize, position: i32, dim: i32, scratch: usize): void {
  const blocks = (dim + DIMS - 1) / DIMS;
  let panel = head + <usize>(position / KV_PANEL * blocks) * Q8_0_BLOCK;
  const lane = <usize>(position & (KV_PANEL - 1));
  for (let d = 0; d < dim; d += DIMS) {
    quantizeBlock(src + (<usize>d << 2), min(DIMS, dim - d), panel + (lane << 1), scratch);
    const to = panel + 32 + (lane << 2);
    for (let j: usize = 0; j < 8; j++) store<u32>(to + (j << 6), load<u32>(scratch + (j << 2)));
    panel += Q8_0_BLOCK;
  }
}

/** Stores a head's value of `dim` floats. Scratch: 160 bytes. */
export function storeValue8(src: usize, head: usize, position: i32, dim: i32, scratch: usize): void {
  let block = head + <usize>(position / KV_PANEL) * Q8_0_BLOCK;
  const row = <usize>(position & (KV_PANEL - 1));
  for (let d = 0; d < dim; d += DIMS) {
    quantizeBlock(src + (<usize>d << 2), min(DIMS, dim - d), block + (row << 1), scratch);
    const to = block + 32 + row * KV_BLOCK;
    v128.store(to, v128.load(scratch));
    v128.store(to, v128.load(scratch, 16), 16);
    block += (KV_PAGE / KV_PANEL) * Q8_0_BLOCK;
  }
}

/** `n` floats, then zeros, as 32 int8 at `out`; their scale to `scale`. Integers are relative to the scale as stored. */
function quantizeBlock(src: usize, n: i32, scale: usize, out: usize): void {
  let x = src;
  if (n < DIMS) {
    x = out + 32;
    memory.copy(x, src, <usize>n << 2);
    memory.fill(x + (<usize>n << 2), 0, <usize>(DIMS - n) << 2);
  }
  let m = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) m = f32x4.pmax(m, f32x4.abs(v128.load(x + i)));
  m = f32x4.pmax(m, i8x16.shuffle(m, m, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const largest = max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
  v128.store16_lane(scale, toF16(f32x4.splat(largest / 127)), 0);
  const stored = f32x4.extract_lane(loadHalf(scale), 0);
  const inverse = f32x4.splat(stored > 0 ? 1 / stored : 0);
  const lowest = i8x16.splat(-127);
  v128.store(out, i8x16.max_s(lowest, i8x16.narrow_i16x8_s(nearest8(x, inverse), nearest8(x + 32, inverse))));
  v128.store(out, i8x16.max_s(lowest, i8x16.narrow_i16x8_s(nearest8(x + 64, inverse), nearest8(x + 96, inverse))), 16);
}

/** x × inverse for 8 values as int16. Adding 1.5 × 2^23 leaves the nearest integer in the low bits of the sum. */
// @ts-ignore: decorator
@inline
function nearest8(x: usize, inverse: v128): v128 {
  const magic = f32x4.splat(12582912);
  const a = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), magic), magic);
  const b = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), magic), magic);
  return i16x8.narrow_i32x4_s(a, b);
}

/** Panels of keys as f32 [depth][16]. */
export function widenKeys8(keys: usize, panels: i32, depth: i32, out: usize): void {
  const end = keys + <usize>(panels * (depth / DIMS)) * Q8_0_BLOCK;
  for (; keys < end; keys += Q8_0_BLOCK) {
    for (let g: usize = 0; g < 4; g++) {
      const scales = loadHalf(keys + (g << 3));
      const from = keys + 32 + (g << 4);
      const to = out + (g << 4);
      for (let j: usize = 0; j < 8; j++) {
        const v = v128.load(from + (j << 6));
        const p = to + (j << 8);
        v128.store(p, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(v, 24), 24)), scales));
        v128.store(p, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(v, 16), 24)), scales), 64);
        v128.store(p, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(v, 8), 24)), scales), 128);
        v128.store(p, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(v, 24)), scales), 192);
      }
    }
    out += 32 * 64;
  }
}

/** `n` positions of half a block's values (`half`: dimensions 0 to 15, or 16 to 31) as f32 [position][16]. */
export function widenValues8(values: usize, half: usize, n: i32, out: usize): void {
  for (; n > 0; n -= KV_PANEL) {
    let from = values + 32 + (half << 4);
    for (let i: usize = 0; i < <usize>min(n, KV_PANEL); i++) {
      const scale = f32x4.splat(f32x4.extract_lane(loadHalf(values + (i << 1)), 0));
      const v = v128.load(from);
      const a = i16x8.extend_low_i8x16_s(v);
      const b = i16x8.extend_high_i8x16_s(v);
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(a)), scale));
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(a)), scale), 16);
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(b)), scale), 32);
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(b)), scale), 48);
      from += KV_BLOCK;
      out += 64;
    }
    values += Q8_0_BLOCK;
  }
}
