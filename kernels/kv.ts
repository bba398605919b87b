/**
 * The layout of the KV cache and appending to it. Every head owns `capacity` positions (a multiple of 8) of
 * `depth` values (the head's dimension, rounded up to a multiple of 8; values are padded with zeros).
 * Values lie as [position][depth]. Keys lie as [position / 4][depth][4], so that one vector holds the same
 * dimension of four positions and a score needs no sum across lanes.
 */
import { int, ptr } from './record';
import { storeLow16, toF16 } from './simd';

/**
 * Ints: src, dst, f16, tokens, heads, headDim, srcStride, position, capacity, keys, tokens a piece.
 */
export function storeKV(op: usize, piece: i32, scratch: usize): void {
  const half = int(op, 2);
  const heads = int(op, 4);
  const dim = int(op, 5);
  const depth = (dim + 7) & ~7;
  const capacity = int(op, 8);
  const shift: usize = half ? 1 : 2;
  const per = int(op, 10);
  const last = min((piece + 1) * per, int(op, 3));
  for (let token = piece * per; token < last; token++) {
    const position = int(op, 7) + token;
    for (let head = 0; head < heads; head++) {
      const src = ptr(op, 0) + (<usize>(token * int(op, 6) + head * dim) << 2);
      const dst = ptr(op, 1) + (<usize>(head * capacity * depth) << shift);
      if (int(op, 9)) {
        const column = dst + (<usize>((position & ~3) * depth + (position & 3)) << shift);
        if (half) keyF16(src, column, dim);
        else for (let i: usize = 0; i < <usize>dim; i++) store<f32>(column + (i << 4), load<f32>(src + (i << 2)));
      } else {
        const row = dst + (<usize>(position * depth) << shift);
        if (half) valueF16(src, row, dim);
        else memory.copy(row, src, <usize>dim << 2);
        if (depth > dim) memory.fill(row + (<usize>dim << shift), 0, <usize>(depth - dim) << shift);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function keyF16(src: usize, dst: usize, dim: i32): void {
  let i = 0;
  for (; i + 4 <= dim; i += 4) {
    const h = toF16(v128.load(src));
    v128.store16_lane(dst, h, 0);
    v128.store16_lane(dst, h, 2, 8);
    v128.store16_lane(dst, h, 4, 16);
    v128.store16_lane(dst, h, 6, 24);
    src += 16;
    dst += 32;
  }
  for (; i < dim; i++) {
    v128.store16_lane(dst, toF16(v128.load32_splat(src)), 0);
    src += 4;
    dst += 8;
  }
}

// @ts-ignore: decorator
@inline
function valueF16(src: usize, dst: usize, dim: i32): void {
  let i = 0;
  for (; i + 4 <= dim; i += 4) {
    storeLow16(dst, toF16(v128.load(src)));
    src += 16;
    dst += 8;
  }
  for (; i < dim; i++) {
    v128.store16_lane(dst, toF16(v128.load32_splat(src)), 0);
    src += 4;
    dst += 2;
  }
}
