/**
 * Panels of quantised weights × tokens in machine code (src/tensor/native/quantized.ts). Tokens pass in groups whose
 * activations stay in the second-level cache while all panels of the piece pass over them.
 */
import { Held, PANEL } from '../src/tensor/ops/layout-constants';
import { Native, PanelArgs } from '../src/tensor/native/kernels';
import { addRows } from './matmul-rows';
import { callNative, setArg } from './native';

const X_BYTES: usize = 1 << 18;
/** Scratch: the arguments, then the sums of an incomplete panel. */
const SUMS: usize = 64;

export function nativeKernel(type: i32): i32 {
  if (type == Held.q8_0) return Native.q8_0;
  if (type == Held.q4_0) return Native.q4_0;
  return type == Held.q4_k ? Native.q4_k : Native.q6_k;
}

/** y[t, 0..rows) += the panels at w × the tokens at x. */
export function nativePanels(
  type: i32, w: usize, panelBytes: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const whole = rows / PANEL;
  const rest = rows - whole * PANEL;
  setArg(scratch, PanelArgs.panelBytes, panelBytes);
  setArg(scratch, PanelArgs.xStride, xStride);
  setArg(scratch, PanelArgs.blocks, type == Held.q8_0 || type == Held.q4_0 ? cols >> 5 : cols >> 8);
  const group = max(12, <i32>(X_BYTES / xStride) / 12 * 12);
  for (let t = 0; t < tokens; t += group) {
    const n = min(group, tokens - t);
    setArg(scratch, PanelArgs.tokens, n);
    setArg(scratch, PanelArgs.x, x);
    if (whole > 0) {
      setArg(scratch, PanelArgs.weights, w);
      setArg(scratch, PanelArgs.panels, whole);
      setArg(scratch, PanelArgs.y, y);
      setArg(scratch, PanelArgs.yStride, yStride);
      callNative(nativeKernel(type), scratch);
    }
    if (rest > 0) {
      const sums = scratch + SUMS;
      memory.fill(sums, 0, <usize>n << 6);
      setArg(scratch, PanelArgs.weights, w + <usize>whole * panelBytes);
      setArg(scratch, PanelArgs.panels, 1);
      setArg(scratch, PanelArgs.y, sums);
      setArg(scratch, PanelArgs.yStride, 64);
      callNative(nativeKernel(type), scratch);
      for (let i: usize = 0; i < <usize>n; i++) {
        const to = y + i * yStride + (<usize>whole << 6);
        for (let r: usize = 0; r < 16; r += 4) {
          addRows(to + (r << 2), v128.load(sums + (i << 6) + (r << 2)), rest - <i32>r);
        }
      }
    }
    x += <usize>n * xStride;
    y += <usize>n * yStride;
  }
}
