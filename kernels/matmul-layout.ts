/** Sizes of panels and of quantised activations (src/tensor/ops/layout.ts), as this build reads them. */
import {
  Held, PANEL, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK, X16_BLOCK, X8_BLOCK,
} from '../src/tensor/ops/layout-constants';

/** Whether the kernels of a quantised type multiply bytes (relaxed SIMD's 8-bit dot product), else 16-bit integers. */
// @ts-ignore: decorator
@inline
export function readsBytes(type: i32): bool {
  return ASC_FEATURE_RELAXED_SIMD && type != Held.q8_0;
}

// @ts-ignore: decorator
@inline
export function xBlockBytes(type: i32): usize {
  return readsBytes(type) ? X8_BLOCK : X16_BLOCK;
}

/** Columns whose products are summed on their own: a run of an expanded panel fits a first-level cache. */
// @ts-ignore: decorator
@inline
export function runColumns(type: i32): i32 {
  return readsBytes(type) ? 1024 : 512;
}

export function panelBytes(type: i32, cols: i32): usize {
  if (type == Held.f32) return <usize>cols * (PANEL * 4);
  if (type <= Held.bf16) return <usize>cols * (PANEL * 2);
  if (type == Held.q8_0) return <usize>(cols >> 5) * Q8_0_BLOCK;
  if (type == Held.q4_0) return <usize>(cols >> 5) * Q4_0_BLOCK;
  return <usize>(cols >> 8) * (type == Held.q4_k ? Q4_K_BLOCK : Q6_K_BLOCK);
}
