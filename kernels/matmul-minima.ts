/** What the minima of a q4_k super-block take off the products of its weights: dmin·minimum × −s·Σx of each sub-block. */
import { madd } from './simd';

/**
 * f[t, 0..16) += Σ minima × offset over 8 sub-blocks, summed on their own first. Sub-blocks' minima (16 f32) lie `step`
 * bytes apart from w on, the offsets of two tokens `xStep` apart from x0 and x1 on.
 */
export function addMinima(w: usize, step: usize, x0: usize, x1: usize, xStep: usize, f: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  for (const end = w + (step << 3); w != end; w += step) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const w2 = v128.load(w, 32);
    const w3 = v128.load(w, 48);
    let offset = v128.load32_splat(x0);
    a0 = madd(w0, offset, a0);
    a1 = madd(w1, offset, a1);
    a2 = madd(w2, offset, a2);
    a3 = madd(w3, offset, a3);
    offset = v128.load32_splat(x1);
    b0 = madd(w0, offset, b0);
    b1 = madd(w1, offset, b1);
    b2 = madd(w2, offset, b2);
    b3 = madd(w3, offset, b3);
    x0 += xStep;
    x1 += xStep;
  }
  add(f, a0, a1, a2, a3);
  add(f + 64, b0, b1, b2, b3);
}

// @ts-ignore: decorator
@inline
function add(f: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(f, f32x4.add(v128.load(f), a));
  v128.store(f, f32x4.add(v128.load(f, 16), b), 16);
  v128.store(f, f32x4.add(v128.load(f, 32), c), 32);
  v128.store(f, f32x4.add(v128.load(f, 48), d), 48);
}
