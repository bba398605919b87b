/**
 * The layout of the KV cache and appending to it. Every head owns `capacity` positions (a multiple of 8) of
 * `depth` values (the head's dimension, rounded up to a multiple of 8; values are padded with zeros), cut into panels
 * of 8 columns as tile.ts reads them. Of keys the columns are positions: [position / 8][depth][8]. Of values they are
 * dimensions: [depth / 8][position][8].
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
        const column = dst + (<usize>((position & ~7) * depth + (position & 7)) << shift);
        if (half) keyF16(src, column, dim);
        else for (let i: usize = 0; i < <usize>dim; i++) store<f32>(column + (i << 5), load<f32>(src + (i << 2)));
      } else {
        for (let d = 0; d < dim; d += 8) {
          const row = dst + (<usize>(d * capacity + position * 8) << shift);
          const n = min(8, dim - d);
          if (n < 8) memory.fill(row, 0, <usize>8 << shift);
          if (half) valueF16(src + (<usize>d << 2), row, n);
          else memory.copy(row, src + (<usize>d << 2), <usize>n << 2);
        }
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
    v128.store16_lane(dst, h, 2, 16);
    v128.store16_lane(dst, h, 4, 32);
    v128.store16_lane(dst, h, 6, 48);
    src += 16;
    dst += 64;
  }
  for (; i < dim; i++) {
    v128.store16_lane(dst, toF16(v128.load32_splat(src)), 0);
    src += 4;
    dst += 16;
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
