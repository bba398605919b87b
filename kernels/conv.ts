/** Causal depthwise convolution over time with SiLU (the short convolution in front of the delta rule). */
import { int, ptr } from './record';
import { madd, sigmoid } from './simd';

/**
 * y[t][c] = silu(Σ_j weight[c][j] · input[t - kernel + 1 + j][c]) where `state` [kernel - 1, channels] holds the inputs
 * before the first; it is brought up to date at the end. y must not overlap x.
 * Ints: x, state, weight, y, tokens, channels, kernel, xStride, yStride, channels a piece.
 */
export function conv(op: usize, piece: i32, scratch: usize): void {
  const tokens = int(op, 4);
  const channels = int(op, 5);
  const kernel = int(op, 6);
  const history = kernel - 1;
  const first = piece * int(op, 9);
  const bytes = <usize>min(int(op, 9), channels - first) << 2;
  const weights = scratch;
  const rows = weights + ((<usize>kernel * bytes + 15) & ~15);

  // Weights as [kernel, channels], so that neighbouring channels fill a vector.
  const weight = ptr(op, 2) + (<usize>(first * kernel) << 2);
  for (let j: usize = 0; j < <usize>kernel; j++) {
    for (let c: usize = 0; c < bytes; c += 4) {
      store<f32>(weights + j * bytes + c, load<f32>(weight + c * <usize>kernel + (j << 2)));
    }
  }
  for (let t = 0; t < tokens; t++) {
    const y = ptr(op, 3) + (<usize>(t * int(op, 8) + first) << 2);
    if (kernel == 4) {
      filter4(input(op, t - 3, first), input(op, t - 2, first), input(op, t - 1, first), input(op, t, first), weights, y, bytes);
    } else {
      for (let j = 0; j < kernel; j++) store<u32>(rows + (<usize>j << 2), <u32>input(op, t - history + j, first));
      for (let c: usize = 0; c < bytes; c += 4) {
        let total = f32x4.splat(0);
        for (let j: usize = 0; j < <usize>kernel; j++) {
          const x = <usize>load<u32>(rows + (j << 2));
          total = madd(v128.load32_splat(x + c), v128.load32_splat(weights + j * bytes + c), total);
        }
        v128.store32_lane(y + c, f32x4.mul(total, sigmoid(total)), 0);
      }
    }
  }
  // Rows move towards the past, so copying in order never reads a row already replaced.
  for (let i = 0; i < history; i++) {
    memory.copy(input(op, i - history, first), input(op, tokens + i - history, first), bytes);
  }
}

/** One token with the kernel of four that the published models have. */
function filter4(x0: usize, x1: usize, x2: usize, x3: usize, w: usize, y: usize, bytes: usize): void {
  const w1 = w + bytes;
  const w2 = w1 + bytes;
  const w3 = w2 + bytes;
  let c: usize = 0;
  for (; c + 16 <= bytes; c += 16) {
    let total = f32x4.mul(v128.load(x0 + c), v128.load(w + c));
    total = madd(v128.load(x1 + c), v128.load(w1 + c), total);
    total = madd(v128.load(x2 + c), v128.load(w2 + c), total);
    total = madd(v128.load(x3 + c), v128.load(w3 + c), total);
    v128.store(y + c, f32x4.mul(total, sigmoid(total)));
  }
  for (; c < bytes; c += 4) {
    let total = f32x4.mul(v128.load32_splat(x0 + c), v128.load32_splat(w + c));
    total = madd(v128.load32_splat(x1 + c), v128.load32_splat(w1 + c), total);
    total = madd(v128.load32_splat(x2 + c), v128.load32_splat(w2 + c), total);
    total = madd(v128.load32_splat(x3 + c), v128.load32_splat(w3 + c), total);
    v128.store32_lane(y + c, f32x4.mul(total, sigmoid(total)), 0);
  }
}

/** Where the inputs at time t begin: in `state` for times before this call. */
// @ts-ignore: decorator
@inline
function input(op: usize, t: i32, channel: i32): usize {
  if (t < 0) return ptr(op, 1) + (<usize>((t + int(op, 6) - 1) * int(op, 5) + channel) << 2);
  return ptr(op, 0) + (<usize>(t * int(op, 7) + channel) << 2);
}
