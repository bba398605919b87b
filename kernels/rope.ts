/**
 * Rotary position embedding from tables of cosines and sines, one row a token; on request after an RMS norm of each
 * head. Works in place. Queries and keys are two parts of one operation.
 */
import { Native, RopeArgs } from '../src/tensor/native/kernels';
import { callNative, hasNative, setArg, setFloat } from './native';
import { normRow } from './norm';
import { float, int, ptr } from './record';
import { madd } from './simd';

const PARTS: i32 = 7;
const PART: i32 = 6;

/**
 * Ints: cos, sin, tokens, headDim, rotaryDim, interleaved, tokens a piece; then for each of two parts x, y, heads,
 * token stride and head stride of x, norm weight or 0. A part without heads is none. y has the strides of x where it
 * is x, else is contiguous. Floats: eps and weight offset of each part. Tables are [tokens, rotaryDim / 2].
 */
export function rope(op: usize, piece: i32, scratch: usize): void {
  const per = int(op, 6);
  const last = min((piece + 1) * per, int(op, 2));
  const first = piece * per;
  for (let part = 0; part < 2; part++) {
    if (canCallNative(op, part)) nativePart(op, part, first, last - first, scratch);
    else for (let token = first; token < last; token++) rotatePart(op, part, token);
  }
}

/** Machine code rotates halves of whole vectors. It copies nothing, so that what does not rotate has to be in its place. */
function canCallNative(op: usize, part: i32): bool {
  const at = PARTS + part * PART;
  const headDim = int(op, 3);
  const rotary = int(op, 4);
  if (int(op, 5) || (headDim & 15) || (rotary & 31) || !rotary || !hasNative(Native.rope)) return false;
  return rotary == headDim || ptr(op, at) == ptr(op, at + 1) || ptr(op, at + 5) != 0;
}

/** All heads of one part for some tokens. */
function nativePart(op: usize, part: i32, token: i32, tokens: i32, args: usize): void {
  const at = PARTS + part * PART;
  const headDim = int(op, 3);
  const heads = int(op, at + 2);
  if (heads <= 0) return;
  const xStride = int(op, at + 3);
  const xHeadStride = int(op, at + 4);
  const inPlace = ptr(op, at) == ptr(op, at + 1);
  const yStride = inPlace ? xStride : heads * headDim;
  const table = <usize>(token * int(op, 4)) << 1;
  setArg(args, RopeArgs.cos, ptr(op, 0) + table);
  setArg(args, RopeArgs.sin, ptr(op, 1) + table);
  setArg(args, RopeArgs.tokens, tokens);
  setArg(args, RopeArgs.heads, heads);
  setArg(args, RopeArgs.headDim, headDim);
  setArg(args, RopeArgs.pairs, int(op, 4) >> 1);
  setArg(args, RopeArgs.x, ptr(op, at) + (<usize>(token * xStride) << 2));
  setArg(args, RopeArgs.xStride, xStride << 2);
  setArg(args, RopeArgs.xHeadStride, xHeadStride << 2);
  setArg(args, RopeArgs.y, ptr(op, at + 1) + (<usize>(token * yStride) << 2));
  setArg(args, RopeArgs.yStride, yStride << 2);
  setArg(args, RopeArgs.yHeadStride, (inPlace ? xHeadStride : headDim) << 2);
  setArg(args, RopeArgs.weight, ptr(op, at + 5));
  setFloat(args, RopeArgs.eps, float(op, part * 2));
  setFloat(args, RopeArgs.offset, float(op, part * 2 + 1));
  callNative(Native.rope, args);
}

/** All heads of one part. */
function rotatePart(op: usize, part: i32, token: i32): void {
  const at = PARTS + part * PART;
  const headDim = int(op, 3);
  const heads = int(op, at + 2);
  const weight = ptr(op, at + 5);
  const rotary = <usize>int(op, 4) << 2;
  const rest = (<usize>headDim << 2) - rotary;
  const table = <usize>token * (rotary >> 1);
  const cos = ptr(op, 0) + table;
  const sin = ptr(op, 1) + table;
  const inPlace = ptr(op, at) == ptr(op, at + 1);
  for (let head = 0; head < heads; head++) {
    let x = ptr(op, at) + (<usize>(token * int(op, at + 3) + head * int(op, at + 4)) << 2);
    const y = inPlace ? x : ptr(op, at + 1) + (<usize>((token * heads + head) * headDim) << 2);
    if (weight) {
      normRow(x, weight, y, headDim, float(op, part * 2), float(op, part * 2 + 1));
      x = y;
    }
    if (int(op, 5)) rotatePairs(x, y, cos, sin, rotary);
    else rotateHalves(x, y, cos, sin, rotary >> 1);
    if (x != y && rest) memory.copy(y + rotary, x + rotary, rest);
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
