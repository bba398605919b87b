/**
 * The three steps of a block of attention in machine code (src/tensor/native/product.ts, weighted.ts, softmax.ts): scores,
 * weights, sums of values. They read the cache as it lies, whatever its type, and serve one row as well as many. The
 * first parameter is 64 bytes for a kernel's arguments.
 */
import { Native, ProductArgs, SoftmaxArgs } from '../src/tensor/native/kernels';
import { KV_BLOCK, KV_PANEL, Kv } from '../src/tensor/ops/kv-constants';
import { Held, Q8_0_BLOCK, X8_BLOCK } from '../src/tensor/ops/layout-constants';
import { nativePanels } from './matmul-native';
import { callNative, hasNative, setArg } from './native';
import { quantizeFrom } from './quantize';

// @ts-ignore: decorator
@inline
export function hasNativeAttention(): bool {
  return hasNative(Native.softmaxRows);
}

/** Queries [rows][depth] as the scores' product reads them: rounded to 8 bits at `out`, or where they are. */
export function nativeQueries(type: i32, q: usize, rows: i32, depth: i32, out: usize): usize {
  if (type != Kv.int8) return q;
  quantizeFrom(q, out, 0, rows * (depth / KV_BLOCK), 8);
  return out;
}

/** scores[rows][16 · panels] = queries · keys; `ahead`: what will be read after them, or 0. */
export function nativeScores(
  args: usize, type: i32, q: usize, rows: i32, keys: usize, panels: i32, dim: i32, depth: i32,
  scores: usize, line: usize, ahead: usize,
): void {
  if (type == Kv.int8) {
    const blocks = depth / KV_BLOCK;
    const panelBytes = <usize>blocks * Q8_0_BLOCK;
    const xStride = <usize>blocks * X8_BLOCK;
    const positions = panels * KV_PANEL;
    nativePanels(Held.q8_0, keys, panelBytes, q, xStride, scores, line, rows, positions, depth, false, args);
    return;
  }
  setArg(args, ProductArgs.a, q);
  setArg(args, ProductArgs.aStride, <usize>depth << 2);
  setArg(args, ProductArgs.rows, rows);
  setArg(args, ProductArgs.b, keys);
  setArg(args, ProductArgs.bNext, <usize>(depth * KV_PANEL) << (type == Kv.f16 ? 1 : 2));
  setArg(args, ProductArgs.panels, panels);
  setArg(args, ProductArgs.k, dim);
  setArg(args, ProductArgs.c, scores);
  setArg(args, ProductArgs.cStride, line);
  setArg(args, ProductArgs.scales, 0);
  setArg(args, ProductArgs.ahead, ahead);
  callNative(type == Kv.f16 ? Native.productHalf : Native.product, args);
}

/** See softmax in attention-rows.ts; columns end with the visible ones; after every `group` rows one position more is visible. */
export function nativeSoftmax(
  args: usize, scores: usize, line: usize, rows: i32, n: i32, visible: i32, group: i32,
  top: usize, total: usize, correction: usize,
): void {
  setArg(args, SoftmaxArgs.scores, scores);
  setArg(args, SoftmaxArgs.stride, line);
  setArg(args, SoftmaxArgs.rows, rows);
  setArg(args, SoftmaxArgs.columns, (n + KV_PANEL - 1) & -KV_PANEL);
  setArg(args, SoftmaxArgs.visible, visible);
  setArg(args, SoftmaxArgs.group, group);
  setArg(args, SoftmaxArgs.top, top);
  setArg(args, SoftmaxArgs.total, total);
  setArg(args, SoftmaxArgs.correction, correction);
  setArg(args, SoftmaxArgs.scale, reinterpret<i32>(<f32>1));
  callNative(Native.softmaxRows, args);
}

/** sums[rows][depth] = (scales · sums +) weights[rows][n] · values; `next` bytes lie between panels of values. `ahead`: as above. */
export function nativeWeighted(
  args: usize, type: i32, weights: usize, line: usize, rows: i32, values: usize, next: usize, n: i32, depth: i32,
  sums: usize, scales: usize, ahead: usize,
): void {
  setArg(args, ProductArgs.a, weights);
  setArg(args, ProductArgs.aStride, line);
  setArg(args, ProductArgs.rows, rows);
  setArg(args, ProductArgs.b, values);
  setArg(args, ProductArgs.bNext, next);
  setArg(args, ProductArgs.panels, type == Kv.int8 ? depth / KV_BLOCK : depth / KV_PANEL);
  setArg(args, ProductArgs.k, n);
  setArg(args, ProductArgs.c, sums);
  setArg(args, ProductArgs.cStride, <usize>depth << 2);
  setArg(args, ProductArgs.scales, scales);
  setArg(args, ProductArgs.ahead, ahead);
  if (type == Kv.int8) callNative(Native.weighted8, args);
  else callNative(type == Kv.f16 ? Native.productHalf : Native.product, args);
}
