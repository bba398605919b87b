/** AdamW. Every element once: weight, gradient and both moments are read together, and all but the gradient written. */
import { float, int, ptr } from './record';
import { lanes, loadBF16, madd, putLanes, storeLow16, toBF16 } from './simd';

/**
 * m = β1 · m + a · g, v = β2 · v + b · g², w −= decay · w + step · m / (√v · root + eps): the factors contain the scale of
 * the gradients and the corrections of the moments' bias.
 * Ints: w, g, m, v, n, elements a piece, moments in bf16. Floats: decay, β1, a, β2, b, step, root, eps.
 */
export function adamw(op: usize, piece: i32, scratch: usize): void {
  const per = int(op, 5);
  const start = <usize>(piece * per);
  const n = <usize>min(per, int(op, 4) - piece * per);
  const w = ptr(op, 0) + (start << 2);
  const g = ptr(op, 1) + (start << 2);
  if (int(op, 6)) half(op, w, g, ptr(op, 2) + (start << 1), ptr(op, 3) + (start << 1), n);
  else single(op, w, g, ptr(op, 2) + (start << 2), ptr(op, 3) + (start << 2), n << 2);
}

function single(op: usize, w: usize, g: usize, m: usize, v: usize, bytes: usize): void {
  const beta1 = f32x4.splat(float(op, 1)), a = f32x4.splat(float(op, 2));
  const beta2 = f32x4.splat(float(op, 3)), b = f32x4.splat(float(op, 4));
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    const gradient = v128.load(g + i);
    const first = momentum(v128.load(m + i), beta1, gradient, a);
    const second = momentum(v128.load(v + i), beta2, f32x4.mul(gradient, gradient), b);
    v128.store(m + i, first);
    v128.store(v + i, second);
    v128.store(w + i, updated(op, v128.load(w + i), first, second));
  }
  for (; i < bytes; i += 4) {
    const gradient = lanes(g + i, false);
    const first = momentum(lanes(m + i, false), beta1, gradient, a);
    const second = momentum(lanes(v + i, false), beta2, f32x4.mul(gradient, gradient), b);
    putLanes(m + i, first, false);
    putLanes(v + i, second, false);
    putLanes(w + i, updated(op, lanes(w + i, false), first, second), false);
  }
}

/** The step is made with the moments before they are rounded. */
function half(op: usize, w: usize, g: usize, m: usize, v: usize, n: usize): void {
  const beta1 = f32x4.splat(float(op, 1)), a = f32x4.splat(float(op, 2));
  const beta2 = f32x4.splat(float(op, 3)), b = f32x4.splat(float(op, 4));
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const gradient = v128.load(g + (i << 2));
    const first = momentum(loadBF16(m + (i << 1)), beta1, gradient, a);
    const second = momentum(loadBF16(v + (i << 1)), beta2, f32x4.mul(gradient, gradient), b);
    storeLow16(m + (i << 1), toBF16(first));
    storeLow16(v + (i << 1), toBF16(second));
    v128.store(w + (i << 2), updated(op, v128.load(w + (i << 2)), first, second));
  }
  for (; i < n; i++) {
    const gradient = lanes(g + (i << 2), false);
    const first = momentum(i32x4.splat(<i32>load<u16>(m + (i << 1)) << 16), beta1, gradient, a);
    const second = momentum(i32x4.splat(<i32>load<u16>(v + (i << 1)) << 16), beta2, f32x4.mul(gradient, gradient), b);
    v128.store16_lane(m + (i << 1), toBF16(first), 0);
    v128.store16_lane(v + (i << 1), toBF16(second), 0);
    putLanes(w + (i << 2), updated(op, lanes(w + (i << 2), false), first, second), false);
  }
}

// @ts-ignore: decorator
@inline
function momentum(old: v128, keep: v128, fresh: v128, take: v128): v128 {
  return madd(fresh, take, f32x4.mul(old, keep));
}

// @ts-ignore: decorator
@inline
function updated(op: usize, w: v128, first: v128, second: v128): v128 {
  const scale = madd(f32x4.sqrt(second), f32x4.splat(float(op, 6)), f32x4.splat(float(op, 7)));
  const change = madd(w, f32x4.splat(float(op, 0)), f32x4.div(f32x4.mul(first, f32x4.splat(float(op, 5))), scale));
  return f32x4.sub(w, change);
}
