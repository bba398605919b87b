/**
 * Panels of quantised weights × tokens in machine code (src/tensor/native/quantized.ts). Tokens pass in groups whose
 * activations stay in the second-level cache while all panels of the piece pass over them.
 */
import { Held, PANEL } from '../src/tensor/ops/layout-constants';
import { Native, PAIR_TOKENS, PanelArgs } from '../src/tensor/native/kernels';
import { addRows, startRows } from './matmul-rows';
import { callNative, setArg } from './native';

const X_BYTES: usize = 1 << 18;
/** Tokens of a group are a multiple of this: whole tiles of either kind. */
const GROUP: i32 = 12;
/** Fewer tokens than this are quicker in one pass over each panel. */
const PAIRS_FROM: i32 = 16;
/** Scratch: the arguments, then the sums of an incomplete panel. */
const SUMS: usize = 64;

export function nativeKernel(type: i32): i32 {
  if (type == Held.q8_0) return Native.q8_0;
  if (type == Held.q4_0) return Native.q4_0;
  return type == Held.q4_k ? Native.q4_k : Native.q6_k;
}

/** y[t, 0..rows) = the panels at w × the tokens at x, or += where `accumulate` is set. */
export function nativePanels(
  type: i32, w: usize, panelBytes: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, accumulate: bool, scratch: usize,
): void {
  const whole = rows / PANEL;
  setArg(scratch, PanelArgs.panelBytes, panelBytes);
  setArg(scratch, PanelArgs.xStride, xStride);
  setArg(scratch, PanelArgs.yStride, yStride);
  setArg(scratch, PanelArgs.accumulate, <usize>accumulate);
  setArg(scratch, PanelArgs.blocks, type == Held.q8_0 || type == Held.q4_0 ? cols >> 5 : cols >> 8);
  const group = max(GROUP, <i32>(X_BYTES / xStride) / GROUP * GROUP);
  for (let t = 0; t < tokens; t += group) {
    const n = min(group, tokens - t);
    // What two panels at a time can take, the other tokens of those panels, and the last panel of an odd number.
    const paired = n < PAIRS_FROM ? 0 : whole & ~1;
    const pairedTokens = n / PAIR_TOKENS * PAIR_TOKENS;
    panels(type, w, paired, x, pairedTokens, y, 1, scratch);
    panels(type, w, paired, x + <usize>pairedTokens * xStride, n - pairedTokens, y + <usize>pairedTokens * yStride, 0, scratch);
    panels(type, w + <usize>paired * panelBytes, whole - paired, x, n, y + (<usize>paired << 6), 0, scratch);
    if (rows > whole * PANEL) {
      const sums = scratch + SUMS;
      setArg(scratch, PanelArgs.yStride, 64);
      setArg(scratch, PanelArgs.accumulate, 0);
      panels(type, w + <usize>whole * panelBytes, 1, x, n, sums, 0, scratch);
      setArg(scratch, PanelArgs.yStride, yStride);
      setArg(scratch, PanelArgs.accumulate, <usize>accumulate);
      if (!accumulate) startRows(y + (<usize>whole << 6), yStride, 0, n, rows - whole * PANEL);
      for (let i: usize = 0; i < <usize>n; i++) {
        const to = y + i * yStride + (<usize>whole << 6);
        for (let r: usize = 0; r < 16; r += 4) {
          addRows(to + (r << 2), v128.load(sums + (i << 6) + (r << 2)), rows - whole * PANEL - <i32>r);
        }
      }
    }
    x += <usize>n * xStride;
    y += <usize>n * yStride;
  }
}

function panels(type: i32, w: usize, count: i32, x: usize, tokens: i32, y: usize, pairs: i32, args: usize): void {
  if (count == 0 || tokens == 0) return;
  setArg(args, PanelArgs.weights, w);
  setArg(args, PanelArgs.panels, count);
  setArg(args, PanelArgs.x, x);
  setArg(args, PanelArgs.tokens, tokens);
  setArg(args, PanelArgs.y, y);
  setArg(args, PanelArgs.pairs, pairs);
  callNative(nativeKernel(type), args);
}
