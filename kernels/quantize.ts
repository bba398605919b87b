/**
 * Activations to blocks of 32 integers: scale = max |x| / 127, integer = x / scale to the nearest, ties to even.
 * A block whose largest magnitude is below 1e-30 becomes zeros; infinities and NaN make its scale NaN or infinite.
 */
import { Native, QuantizeArgs } from '../src/tensor/native/kernels';
import {
  X16_BLOCK, X8_BLOCK, X_OFFSET, X_PAIRS_32A, X_PAIRS_8, X_SCALE, X_SUM, X_SUM_128, X_SUM_32A,
} from '../src/tensor/ops/layout-constants';
import { callNative, hasNative, lastOf, setArg } from './native';
import { int, ptr } from './record';

/** [x, out, blocks, bits, blocksPerPiece] */
export function quantize(op: usize, piece: i32, scratch: usize): void {
  const first = piece * int(op, 4);
  const count = min(int(op, 4), int(op, 2) - first);
  quantizeRow(ptr(op, 0) + ((<usize>first) << 7), ptr(op, 1), first, count, int(op, 3), scratch);
}

/** As quantizeFrom, in machine code where there is any; its arguments lie at the end of the scratch. */
export function quantizeRow(x: usize, out: usize, first: i32, count: i32, bits: i32, scratch: usize): void {
  if (bits != 8 || count <= 0 || !hasNative(Native.quantize)) {
    quantizeFrom(x, out, first, count, bits);
    return;
  }
  const args = lastOf(scratch);
  setArg(args, QuantizeArgs.x, x);
  setArg(args, QuantizeArgs.to, out + <usize>first * X8_BLOCK);
  setArg(args, QuantizeArgs.blocks, count);
  callNative(Native.quantize, args);
}

/** `count` blocks of f32 at x become the blocks from number `first` on of the quantised activations at `out`. */
export function quantizeFrom(x: usize, out: usize, first: i32, count: i32, bits: i32): void {
  const outBlock: usize = bits == 8 ? X8_BLOCK : X16_BLOCK;
  out += <usize>first * outBlock;
  for (; count > 0; count--) {
    quantizeBlock(x, out, bits);
    x += 128;
    out += outBlock;
  }
}

// @ts-ignore: decorator
@inline
function quantizeBlock(x: usize, out: usize, bits: i32): void {
  let m = f32x4.abs(v128.load(x));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 16)));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 32)));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 48)));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 64)));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 80)));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 96)));
  m = f32x4.max(m, f32x4.abs(v128.load(x, 112)));
  m = f32x4.max(m, i8x16.shuffle(m, m, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const largest = max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
  const zero = largest < 1e-30;
  const scale: f32 = zero ? 0 : largest / 127;
  const inverse = f32x4.splat(zero ? 0 : 127 / largest);

  const c0 = nearest8(x, inverse);
  const c1 = nearest8(x + 32, inverse);
  const c2 = nearest8(x + 64, inverse);
  const c3 = nearest8(x + 96, inverse);
  let sums = out;
  if (bits == 8) {
    v128.store(out, i8x16.narrow_i16x8_s(c0, c1));
    v128.store(out, i8x16.narrow_i16x8_s(c2, c3), 16);
    sums += 32;
  } else {
    v128.store(out, c0);
    v128.store(out, c1, 16);
    v128.store(out, c2, 32);
    v128.store(out, c3, 48);
    sums += 64;
  }
  // [Σ c0c1, Σ c2c3] of the columns 4j.. over each half of the block.
  const a = i32x4.extadd_pairwise_i16x8_s(i16x8.add(c0, c1));
  const b = i32x4.extadd_pairwise_i16x8_s(i16x8.add(c2, c3));
  const halves = i32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
  const whole = i32x4.add(halves, i8x16.shuffle(halves, halves, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const sum = i32x4.extract_lane(whole, 0) + i32x4.extract_lane(whole, 1);
  store<f32>(sums, scale, X_SCALE);
  store<f32>(sums, -scale * <f32>sum, X_OFFSET);
  const pairs8 = i32x4.mul(whole, i32x4.splat(-8));
  store<i32>(sums, i32x4.extract_lane(i16x8.narrow_i32x4_s(pairs8, pairs8), 0), X_PAIRS_8);
  const pairs32 = i32x4.mul(halves, i32x4.splat(-32));
  store<i64>(sums, i64x2.extract_lane(i16x8.narrow_i32x4_s(pairs32, pairs32), 0), X_PAIRS_32A);
  if (bits == 8) {
    store<i32>(sums, -128 * sum, X_SUM_128);
    const sums32 = i32x4.add(pairs32, i8x16.shuffle(pairs32, pairs32, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    v128.store64_lane(sums, i8x16.shuffle(sums32, sums32, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11), 0, X_SUM_32A);
  } else {
    store<i32>(sums, sum, X_SUM);
    store<i64>(sums, 0, X_SUM_32A);
  }
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
