/**
 * Rows of f32, f16 or bf16 × f32 activations in machine code (src/tensor/native/float.ts, pack.ts, product.ts).
 *
 * Up to FEW tokens read the rows where they lie. For more, pairs of panels are packed as f32, a run of columns at a
 * time that stays in the first- and second-level cache, and all tokens pass over them.
 */
import { Native, PackArgs, ProductArgs, RowArgs } from '../src/tensor/native/kernels';
import { Held, PANEL } from '../src/tensor/ops/layout-constants';
import { floatRows } from './matmul-float';
import { callNative, hasNative, setArg } from './native';

const FEW: i32 = 32;
const COLUMNS: i32 = 1024;
const PANELS: i32 = 2;
const TOKENS: i32 = 504;
/** Scratch: the arguments, a 1 for each token, the packed run. */
const ONES: usize = 64;
const PACKED: usize = 4096;

export function hasNativeFloat(type: i32): bool {
  return hasNative(kernel(type, Native.f32, Native.f16, Native.bf16));
}

// @ts-ignore: decorator
@inline
function kernel(type: i32, f32: i32, f16: i32, bf16: i32): i32 {
  if (type == Held.f32) return f32;
  return type == Held.f16 ? f16 : bf16;
}

/** y[t, 0..rows) += rows at w, `cols` values each × the tokens at x. */
export function nativeFloatRows(
  type: i32, w: usize, x: usize, y: usize, yStride: usize, tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const shift: usize = type == Held.f32 ? 2 : 1;
  const stride = <usize>cols << shift;
  const xStride = <usize>cols << 2;
  const even = cols & ~15;
  if (even > 0) {
    const packed = tokens > FEW ? rows & ~(PANEL - 1) : 0;
    if (packed > 0) packedRows(type, w, x, y, yStride, tokens, packed, cols, even, scratch);
    if (packed < rows) {
      setArg(scratch, RowArgs.weights, w + <usize>packed * stride);
      setArg(scratch, RowArgs.rowBytes, stride);
      setArg(scratch, RowArgs.rows, rows - packed);
      setArg(scratch, RowArgs.x, x);
      setArg(scratch, RowArgs.xStride, xStride);
      setArg(scratch, RowArgs.tokens, tokens);
      setArg(scratch, RowArgs.columns, even);
      setArg(scratch, RowArgs.y, y + (<usize>packed << 2));
      setArg(scratch, RowArgs.yStride, yStride);
      callNative(kernel(type, Native.f32, Native.f16, Native.bf16), scratch);
    }
  }
  if (even < cols) {
    const rest = <usize>even << shift;
    floatRows(type, w + rest, stride, x + (<usize>even << 2), xStride, y, yStride, tokens, rows, cols - even, scratch);
  }
}

/** Whole panels × many tokens, over the first `even` columns. */
function packedRows(
  type: i32, w: usize, x: usize, y: usize, yStride: usize, tokens: i32, rows: i32, cols: i32, even: i32, scratch: usize,
): void {
  const shift: usize = type == Held.f32 ? 2 : 1;
  const xStride = <usize>cols << 2;
  for (let i: usize = 0; i < <usize>TOKENS; i += 4) v128.store(scratch + ONES + (i << 2), f32x4.splat(1));
  for (let row = 0; row < rows; row += PANELS * PANEL) {
    const panels = min(PANELS, (rows - row) / PANEL);
    for (let col = 0; col < even; col += COLUMNS) {
      const run = min(COLUMNS, even - col);
      setArg(scratch, PackArgs.weights, w + ((<usize>row * <usize>cols + <usize>col) << shift));
      setArg(scratch, PackArgs.rowBytes, <usize>cols << shift);
      setArg(scratch, PackArgs.panels, panels);
      setArg(scratch, PackArgs.columns, run);
      setArg(scratch, PackArgs.to, scratch + PACKED);
      callNative(kernel(type, Native.packF32, Native.packF16, Native.packBF16), scratch);
      setArg(scratch, ProductArgs.aStride, xStride);
      setArg(scratch, ProductArgs.b, scratch + PACKED);
      setArg(scratch, ProductArgs.bNext, <usize>run << 6);
      setArg(scratch, ProductArgs.panels, panels);
      setArg(scratch, ProductArgs.k, run);
      setArg(scratch, ProductArgs.cStride, yStride);
      setArg(scratch, ProductArgs.scales, scratch + ONES);
      for (let t = 0; t < tokens; t += TOKENS) {
        setArg(scratch, ProductArgs.a, x + <usize>t * xStride + (<usize>col << 2));
        setArg(scratch, ProductArgs.rows, min(TOKENS, tokens - t));
        setArg(scratch, ProductArgs.c, y + <usize>t * yStride + (<usize>row << 2));
        callNative(Native.product, scratch);
      }
    }
  }
}
