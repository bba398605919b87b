/**
 * Causal depthwise convolution and SiLU over sequences that begin with nothing before them, and its gradients. A piece is
 * some channels of all sequences, so that it alone adds to those channels' weights.
 */
import { siluSlope } from './elementwise-backward';
import { int, ptr } from './record';
import { lanes, madd, putLanes, sigmoid } from './simd';

/**
 * y[t][c] = silu(z), z = Σ_j weight[c][j] · x[t − kernel + 1 + j][c], over the inputs of the same run.
 * Ints: x, weight, y, channels, kernel, xStride, yStride, runs, number of runs, channels a piece.
 */
export function convTrain(op: usize, piece: i32, scratch: usize): void {
  const first = piece * int(op, 9);
  const kernel = int(op, 4);
  const bytes = <usize>min(int(op, 9), int(op, 3) - first) << 2;
  const xStep = <usize>int(op, 5) << 2;
  const yStep = <usize>int(op, 6) << 2;
  turnWeights(ptr(op, 1), first, kernel, scratch, bytes);
  for (let run = 0; run < int(op, 8); run++) {
    const row = load<i32>(ptr(op, 7) + (<usize>run << 3));
    const rows = load<i32>(ptr(op, 7) + (<usize>run << 3), 4);
    let x = ptr(op, 0) + <usize>row * xStep + (<usize>first << 2);
    let y = ptr(op, 2) + <usize>row * yStep + (<usize>first << 2);
    for (let t = 0; t < rows; t++, x += xStep, y += yStep) {
      const taps = min(kernel, t + 1);
      const w = scratch + <usize>(kernel - taps) * bytes;
      const from = x - <usize>(taps - 1) * xStep;
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) putLanes(y + i, silu(filter(from + i, xStep, w + i, bytes, taps, true)), true);
      for (; i < bytes; i += 4) putLanes(y + i, silu(filter(from + i, xStep, w + i, bytes, taps, false)), false);
    }
  }
}

/**
 * dx[t − kernel + 1 + j] gets weight[j] · dz[t] and dweight[j] += Σ_t x[t − kernel + 1 + j] · dz[t], dz = dy · silu′(z).
 * Ints: x, weight, dy, dx, dweight (0: none), channels, kernel, xStride, dyStride, dxStride, runs, number of runs, channels a
 * piece, accumulate (of dx; dweight is always added to).
 */
export function convBackward(op: usize, piece: i32, scratch: usize): void {
  const first = piece * int(op, 12);
  const kernel = int(op, 6);
  const bytes = <usize>min(int(op, 12), int(op, 5) - first) << 2;
  const xStep = <usize>int(op, 7) << 2;
  const dyStep = <usize>int(op, 8) << 2;
  const dxStep = <usize>int(op, 9) << 2;
  const dw = scratch + <usize>kernel * bytes;
  turnWeights(ptr(op, 1), first, kernel, scratch, bytes);
  memory.fill(dw, 0, <usize>kernel * bytes);
  for (let run = 0; run < int(op, 11); run++) {
    const row = load<i32>(ptr(op, 10) + (<usize>run << 3));
    const rows = load<i32>(ptr(op, 10) + (<usize>run << 3), 4);
    let x = ptr(op, 0) + <usize>row * xStep + (<usize>first << 2);
    let dy = ptr(op, 2) + <usize>row * dyStep + (<usize>first << 2);
    let dx = ptr(op, 3) + <usize>row * dxStep + (<usize>first << 2);
    for (let t = 0; t < rows; t++, x += xStep, dy += dyStep, dx += dxStep) {
      if (!int(op, 13)) memory.fill(dx, 0, bytes);
      const taps = min(kernel, t + 1);
      const skipped = <usize>(kernel - taps) * bytes;
      const from = x - <usize>(taps - 1) * xStep;
      const to = dx - <usize>(taps - 1) * dxStep;
      const w = scratch + skipped;
      const sums = dw + skipped;
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) {
        back(from + i, xStep, w + i, sums + i, bytes, dy + i, to + i, dxStep, taps, true);
      }
      for (; i < bytes; i += 4) back(from + i, xStep, w + i, sums + i, bytes, dy + i, to + i, dxStep, taps, false);
    }
  }
  if (!ptr(op, 4)) return;
  for (let j: usize = 0; j < <usize>kernel; j++) {
    for (let c: usize = 0; c < bytes >> 2; c++) {
      const at = ptr(op, 4) + (((<usize>first + c) * <usize>kernel + j) << 2);
      store<f32>(at, load<f32>(at) + load<f32>(dw + j * bytes + (c << 2)));
    }
  }
}

/** Some channels of the weight [channels, kernel] as [kernel, channels]. */
function turnWeights(weight: usize, first: i32, kernel: i32, to: usize, bytes: usize): void {
  for (let j: usize = 0; j < <usize>kernel; j++) {
    for (let c: usize = 0; c < bytes >> 2; c++) {
      store<f32>(to + j * bytes + (c << 2), load<f32>(weight + (((<usize>first + c) * <usize>kernel + j) << 2)));
    }
  }
}

// @ts-ignore: decorator
@inline
function filter(x: usize, xStep: usize, w: usize, wStep: usize, taps: i32, whole: bool): v128 {
  let total = f32x4.splat(0);
  for (let j = 0; j < taps; j++, x += xStep, w += wStep) total = madd(lanes(x, whole), lanes(w, whole), total);
  return total;
}

// @ts-ignore: decorator
@inline
function silu(x: v128): v128 {
  return f32x4.mul(x, sigmoid(x));
}

// @ts-ignore: decorator
@inline
function back(
  x: usize, xStep: usize, w: usize, dw: usize, wStep: usize, dy: usize, dx: usize, dxStep: usize, taps: i32, whole: bool,
): void {
  const z = filter(x, xStep, w, wStep, taps, whole);
  const open = sigmoid(z);
  const dz = f32x4.mul(lanes(dy, whole), siluSlope(f32x4.mul(z, open), open));
  for (let j = 0; j < taps; j++, x += xStep, dx += dxStep, w += wStep, dw += wStep) {
    putLanes(dw, madd(lanes(x, whole), dz, lanes(dw, whole)), whole);
    putLanes(dx, madd(lanes(w, whole), dz, lanes(dx, whole)), whole);
  }
}
