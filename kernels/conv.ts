/** Causal depthwise convolution over time with SiLU (the short convolution in front of the delta rule). */
import { int, ptr } from './record';
import { madd, sigmoid } from './simd';

/**
 * y[t][c] = silu(Σ_j weight[c][j] · input[t - kernel + 1 + j][c]) where `state` [kernel - 1, channels] holds the inputs
 * before the first. y must not overlap x.
 * Ints: x, state, weight, y, tokens, channels, kernel, xStride, yStride, channels a piece, tokens a piece, update.
 * With `update` (and all tokens in one piece) the state is brought up to date at the end.
 */
export function conv(op: usize, piece: i32, scratch: usize): void {
  const channels = int(op, 5);
  const kernel = int(op, 6);
  const across = (channels + int(op, 9) - 1) / int(op, 9);
  const first = (piece % across) * int(op, 9);
  const count = min(int(op, 9), channels - first);
  const firstToken = (piece / across) * int(op, 10);
  const lastToken = min(firstToken + int(op, 10), int(op, 4));
  // The published models have kernels of four; whole vectors of channels then go four tokens at a time.
  const fast = kernel == 4 ? count & ~3 : 0;
  for (let t = firstToken; t < lastToken; t += 4) {
    if (fast) filter4(op, t, min(4, lastToken - t), first, <usize>fast << 2);
    for (let i = t; i < min(t + 4, lastToken); i++) {
      for (let c = first + fast; c < first + count; c++) filter(op, i, c);
    }
  }
  if (int(op, 11)) {
    // Rows move towards the past, so copying in order never reads a row already replaced.
    for (let i = 1 - kernel; i < 0; i++) {
      memory.copy(input(op, i, first), input(op, lastToken + i, first), <usize>count << 2);
    }
  }
}

/** One output. */
function filter(op: usize, t: i32, channel: i32): void {
  const kernel = int(op, 6);
  let total: f32 = 0;
  for (let j = 0; j < kernel; j++) {
    total += load<f32>(input(op, t - kernel + 1 + j, channel)) * load<f32>(ptr(op, 2) + (<usize>(channel * kernel + j) << 2));
  }
  const x = f32x4.splat(total);
  v128.store32_lane(ptr(op, 3) + (<usize>(t * int(op, 8) + channel) << 2), f32x4.mul(x, sigmoid(x)), 0);
}

/** `n` ≤ 4 tokens from t, `bytes` of channels, kernel 4: weights are turned once for all tokens. */
function filter4(op: usize, t: i32, n: i32, channel: i32, bytes: usize): void {
  const x0 = input(op, t - 3, channel);
  const x1 = input(op, t - 2, channel);
  const x2 = input(op, t - 1, channel);
  const x = input(op, t, channel);
  const xStride = <usize>int(op, 7) << 2;
  const yStride = <usize>int(op, 8) << 2;
  const y = ptr(op, 3) + (<usize>(t * int(op, 8) + channel) << 2);
  let w = ptr(op, 2) + (<usize>channel << 4);
  for (let c: usize = 0; c < bytes; c += 16) {
    const a = v128.load(w);
    const b = v128.load(w, 16);
    const d = v128.load(w, 32);
    const e = v128.load(w, 48);
    w += 64;
    const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const de = i8x16.shuffle(d, e, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const fg = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const hi = i8x16.shuffle(d, e, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const w0 = i8x16.shuffle(ab, de, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const w1 = i8x16.shuffle(ab, de, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const w2 = i8x16.shuffle(fg, hi, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const w3 = i8x16.shuffle(fg, hi, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    let v0 = v128.load(x0 + c);
    let v1 = v128.load(x1 + c);
    let v2 = v128.load(x2 + c);
    let from = x + c;
    let to = y + c;
    for (let i = 0; i < n; i++) {
      const v3 = v128.load(from);
      const total = madd(v3, w3, madd(v2, w2, madd(v1, w1, f32x4.mul(v0, w0))));
      v128.store(to, f32x4.mul(total, sigmoid(total)));
      v0 = v1;
      v1 = v2;
      v2 = v3;
      from += xStride;
      to += yStride;
    }
  }
}

/** Where the inputs at time t begin: in `state` for times before this call. */
// @ts-ignore: decorator
@inline
function input(op: usize, t: i32, channel: i32): usize {
  if (t < 0) return ptr(op, 1) + (<usize>((t + int(op, 6) - 1) * int(op, 5) + channel) << 2);
  return ptr(op, 0) + (<usize>(t * int(op, 7) + channel) << 2);
}
