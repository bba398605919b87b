/** Rotary position embedding from tables of cosines and sines, one row a token. Works in place. */
import { int, ptr } from './record';
import { madd } from './simd';

/**
 * Ints: x, y, cos, sin, tokens, heads, headDim, rotaryDim, xStride, xHeadStride, yStride, yHeadStride, interleaved,
 * tokens a piece. Tables are [tokens, rotaryDim / 2].
 */
export function rope(op: usize, piece: i32, scratch: usize): void {
  const heads = int(op, 5);
  const rotary = <usize>int(op, 7) << 2;
  const rest = (<usize>int(op, 6) << 2) - rotary;
  const per = int(op, 13);
  const last = min((piece + 1) * per, int(op, 4));
  for (let token = piece * per; token < last; token++) {
    const table = <usize>token * (rotary >> 1);
    for (let head = 0; head < heads; head++) {
      const x = ptr(op, 0) + (<usize>(token * int(op, 8) + head * int(op, 9)) << 2);
      const y = ptr(op, 1) + (<usize>(token * int(op, 10) + head * int(op, 11)) << 2);
      if (int(op, 12)) rotatePairs(x, y, ptr(op, 2) + table, ptr(op, 3) + table, rotary);
      else rotateHalves(x, y, ptr(op, 2) + table, ptr(op, 3) + table, rotary >> 1);
      if (x != y && rest) memory.copy(y + rotary, x + rotary, rest);
    }
  }
}

/** Pairs (x[i], x[i + half]); `half` in bytes. */
// @ts-ignore: decorator
@inline
function rotateHalves(x: usize, y: usize, cos: usize, sin: usize, half: usize): void {
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const a = v128.load(x + i);
    const b = v128.load(x + half + i);
    const c = v128.load(cos + i);
    const s = v128.load(sin + i);
    v128.store(y + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(y + half + i, madd(b, c, f32x4.mul(a, s)));
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + i);
    const b = load<f32>(x + half + i);
    store<f32>(y + i, a * load<f32>(cos + i) - b * load<f32>(sin + i));
    store<f32>(y + half + i, b * load<f32>(cos + i) + a * load<f32>(sin + i));
  }
}

/** Pairs (x[2i], x[2i + 1]); `rotary` in bytes. */
// @ts-ignore: decorator
@inline
function rotatePairs(x: usize, y: usize, cos: usize, sin: usize, rotary: usize): void {
  const signs = f32x4(-1, 1, -1, 1);
  let i: usize = 0;
  for (; i + 16 <= rotary; i += 16) {
    const v = v128.load(x + i);
    const c = v128.load64_zero(cos + (i >> 1));
    const s = v128.load64_zero(sin + (i >> 1));
    const cc = i8x16.shuffle(c, c, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7);
    const ss = f32x4.mul(signs, i8x16.shuffle(s, s, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7));
    const swapped = i8x16.shuffle(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v128.store(y + i, madd(v, cc, f32x4.mul(swapped, ss)));
  }
  for (; i < rotary; i += 8) {
    const a = load<f32>(x + i);
    const b = load<f32>(x + i, 4);
    const c = load<f32>(cos + (i >> 1));
    const s = load<f32>(sin + (i >> 1));
    store<f32>(y + i, a * c - b * s);
    store<f32>(y + i, b * c + a * s, 4);
  }
}
