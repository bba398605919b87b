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
  const count = min(int(op, 9), channels - first);
  const bytes = <usize>count << 2;
  const weight = ptr(op, 2) + (<usize>(first * kernel) << 2);
  for (let c = 0; c < count; c++) {
    for (let j = 0; j < kernel; j++) {
      store<f32>(scratch + <usize>j * bytes + (<usize>c << 2), load<f32>(weight + (<usize>(c * kernel + j) << 2)));
    }
  }
  for (let t = 0; t < tokens; t++) {
    const y = ptr(op, 3) + (<usize>(t * int(op, 8) + first) << 2);
    for (let i: usize = 0; i < bytes; i += 16) {
      const whole = i + 16 <= bytes;
      // A short tail is computed one channel at a time in all four lanes.
      for (let lane: usize = i; lane < min(i + 16, bytes); lane += whole ? 16 : 4) {
        let total = f32x4.splat(0);
        for (let j = 0; j < kernel; j++) {
          const x = input(op, t - history + j, first) + lane;
          const w = scratch + <usize>j * bytes + lane;
          if (whole) total = madd(v128.load(x), v128.load(w), total);
          else total = madd(v128.load32_splat(x), v128.load32_splat(w), total);
        }
        total = f32x4.mul(total, sigmoid(total));
        if (whole) v128.store(y + lane, total);
        else v128.store32_lane(y + lane, total, 0);
      }
    }
  }
  // Rows move towards the past, so copying in order never reads a row already replaced.
  for (let i = 0; i < history; i++) {
    memory.copy(input(op, i - history, first), input(op, tokens + i - history, first), bytes);
  }
}

/** Where the inputs at time t begin: in `state` for times before this call. */
// @ts-ignore: decorator
@inline
function input(op: usize, t: i32, channel: i32): usize {
  if (t < 0) return ptr(op, 1) + (<usize>((t + int(op, 6) - 1) * int(op, 5) + channel) << 2);
  return ptr(op, 0) + (<usize>(t * int(op, 7) + channel) << 2);
}
