/** What the minima of a q4_k super-block take off the products of its weights: dmin·minimum × −s·Σx of each sub-block. */
import { madd } from './simd';

/**
 * f[t, 0..8) += Σ minima × offset over 8 sub-blocks, summed on their own first. Sub-blocks' minima (8 f32) lie `step`
 * bytes apart from w on, the offsets of four tokens `xStep` apart from x0 … x3 on.
 */
export function addMinima(
  w: usize, step: usize, x0: usize, x1: usize, x2: usize, x3: usize, xStep: usize, f: usize,
): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  for (const end = w + (step << 3); w != end; w += step) {
    const a = v128.load(w);
    const b = v128.load(w, 16);
    let offset = v128.load32_splat(x0);
    a0 = madd(a, offset, a0);
    b0 = madd(b, offset, b0);
    offset = v128.load32_splat(x1);
    a1 = madd(a, offset, a1);
    b1 = madd(b, offset, b1);
    offset = v128.load32_splat(x2);
    a2 = madd(a, offset, a2);
    b2 = madd(b, offset, b2);
    offset = v128.load32_splat(x3);
    a3 = madd(a, offset, a3);
    b3 = madd(b, offset, b3);
    x0 += xStep;
    x1 += xStep;
    x2 += xStep;
    x3 += xStep;
  }
  add(f, a0, b0);
  add(f + 32, a1, b1);
  add(f + 64, a2, b2);
  add(f + 96, a3, b3);
}

// @ts-ignore: decorator
@inline
function add(f: usize, a: v128, b: v128): void {
  v128.store(f, f32x4.add(v128.load(f), a));
  v128.store(f, f32x4.add(v128.load(f, 16), b), 16);
}
