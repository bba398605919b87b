/**
 * e^(scale · x − top) over long rows, a chunk that fits the innermost cache at a time: the maximum so far serves as top,
 * and what earlier chunks lack is made up for when they are used. So a row is read from memory once.
 */
import { Native, SoftmaxArgs } from '../src/tensor/native/kernels';
import { callNative, hasNative, lastOf, setArg, setFloat } from './native';
import { exp, lanes, putLanes, sum } from './simd';

/** Elements of a chunk. */
export const CHUNK: i32 = 4096;

/** A row's running maximum, sum of exponentials and last correction, and then the maximum that each chunk was computed with. */
export const TOP: usize = 0;
export const TOTAL: usize = 4;
const CORRECTION: usize = 8;
const TOPS: usize = 64;
/** Bytes of such a state. */
export const ROW_STATE: usize = 1 << 17;

export function beginRow(state: usize): void {
  store<f32>(state + TOP, -Infinity);
  store<f32>(state + TOTAL, 0);
}

/** Chunk `index` of a row, n elements at x, becomes exponentials at y, which may be x. Afterwards TOP and TOTAL include it. */
export function exponentials(
  x: usize, y: usize, n: i32, index: i32, scale: f32, state: usize, scratch: usize,
): void {
  const bytes = <usize>n << 2;
  if (n % 16 == 0 && hasNative(Native.softmaxRows)) {
    if (x != y) memory.copy(y, x, bytes);
    nativeChunk(y, n, scale, state, lastOf(scratch));
  } else chunk(x, y, bytes, scale, state);
  store<f32>(state + TOPS + (<usize>index << 2), load<f32>(state + TOP));
}

/** By what the exponentials of a chunk are to be multiplied to have the last maximum as their top. */
export function correctionOf(index: i32, state: usize): f32 {
  const top = load<f32>(state + TOPS + (<usize>index << 2));
  return f32x4.extract_lane(exp(f32x4.splat(top - load<f32>(state + TOP))), 0);
}

/** ln Σ e^(scale · x) of the row. */
export function logSumExp(state: usize): f64 {
  return Math.log(<f64>load<f32>(state + TOTAL)) + <f64>load<f32>(state + TOP);
}

function chunk(x: usize, y: usize, bytes: usize, scale: f32, state: usize): void {
  const old = load<f32>(state + TOP);
  const factor = f32x4.splat(scale);
  let a = f32x4.splat(old), b = a;
  let i: usize = 0;
  for (; i + 32 <= bytes; i += 32) {
    a = f32x4.pmax(a, f32x4.mul(v128.load(x + i), factor));
    b = f32x4.pmax(b, f32x4.mul(v128.load(x + i, 16), factor));
  }
  for (; i < bytes; i += 4) a = f32x4.pmax(a, f32x4.mul(v128.load32_splat(x + i), factor));
  a = f32x4.pmax(a, b);
  a = f32x4.pmax(a, i8x16.shuffle(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  a = f32x4.pmax(a, i8x16.shuffle(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  let total = f32x4.splat(0);
  for (i = 0; i + 16 <= bytes; i += 16) {
    const e = exp(f32x4.sub(f32x4.mul(v128.load(x + i), factor), a));
    total = f32x4.add(total, e);
    v128.store(y + i, e);
  }
  let rest: f32 = 0;
  for (; i < bytes; i += 4) {
    const e = exp(f32x4.sub(f32x4.mul(lanes(x + i, false), factor), a));
    rest += f32x4.extract_lane(e, 0);
    putLanes(y + i, e, false);
  }
  const top = f32x4.extract_lane(a, 0);
  const correction = f32x4.extract_lane(exp(f32x4.splat(old - top)), 0);
  store<f32>(state + TOTAL, load<f32>(state + TOTAL) * correction + (sum(total) + rest));
  store<f32>(state + TOP, top);
}

function nativeChunk(x: usize, n: i32, scale: f32, state: usize, args: usize): void {
  setArg(args, SoftmaxArgs.scores, x);
  setArg(args, SoftmaxArgs.stride, 0);
  setArg(args, SoftmaxArgs.rows, 1);
  setArg(args, SoftmaxArgs.columns, n);
  setArg(args, SoftmaxArgs.visible, n);
  setArg(args, SoftmaxArgs.group, 1);
  setArg(args, SoftmaxArgs.top, state + TOP);
  setArg(args, SoftmaxArgs.total, state + TOTAL);
  setArg(args, SoftmaxArgs.correction, state + CORRECTION);
  setFloat(args, SoftmaxArgs.scale, scale);
  callNative(Native.softmaxRows, args);
}
