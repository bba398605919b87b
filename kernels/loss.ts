/** Losses over a vocabulary, row by row, and their gradients where the logits are. */
import { beginRow, CHUNK, correctionOf, exponentials, logSumExp, ROW_STATE, TOP, TOTAL } from './exponentials';
import { float, int, ptr } from './record';
import { lanes, madd, sum } from './simd';

/**
 * nll[r] = −log softmax(logits[r])[targets[r]]; with `gradient` the logits become weights[r] · (softmax − onehot).
 * A target outside the vocabulary is none: 0, and a gradient of zeros.
 * Ints: logits, rows, vocab, targets, weights, nll, gradient, rows a piece.
 */
export function crossEntropy(op: usize, piece: i32, scratch: usize): void {
  const vocab = int(op, 2);
  const rowsPer = int(op, 7);
  const gradient = int(op, 6) != 0;
  const lastRow = min((piece + 1) * rowsPer, int(op, 1));
  for (let row = piece * rowsPer; row < lastRow; row++) {
    const x = ptr(op, 0) + ((<usize>row * <usize>vocab) << 2);
    const target = load<u32>(ptr(op, 3) + (<usize>row << 2));
    const nll = ptr(op, 5) + (<usize>row << 2);
    if (target >= <u32>vocab) {
      store<f32>(nll, 0);
      if (gradient) memory.fill(x, 0, <usize>vocab << 2);
      continue;
    }
    const wanted = load<f32>(x + (<usize>target << 2));
    beginRow(scratch);
    for (let start = 0, i = 0; start < vocab; start += CHUNK, i++) {
      const at = x + (<usize>start << 2);
      exponentials(at, gradient ? at : scratch + ROW_STATE, min(CHUNK, vocab - start), i, 1, scratch, scratch);
    }
    store<f32>(nll, <f32>(logSumExp(scratch) - <f64>wanted));
    if (!gradient) continue;
    const weight = load<f32>(ptr(op, 4) + (<usize>row << 2));
    const scale = weight / load<f32>(scratch + TOTAL);
    for (let start = 0, i = 0; start < vocab; start += CHUNK, i++) {
      scaleRow(x + (<usize>start << 2), <usize>min(CHUNK, vocab - start) << 2, scale * correctionOf(i, scratch));
    }
    const at = x + (<usize>target << 2);
    store<f32>(at, load<f32>(at) - weight);
  }
}

/**
 * With p = softmax(teacher / T) and q = softmax(logits / T): loss[r] = T² · Σ p · ln(p / q); with `gradient` the logits become
 * weights[r] · T · (q − p). A row of weight 0 has no loss, and a gradient of zeros.
 * Ints: logits, teacher, rows, vocab, weights, loss, gradient, rows a piece. Float: T.
 */
export function klDivergence(op: usize, piece: i32, scratch: usize): void {
  const vocab = int(op, 3);
  const rowsPer = int(op, 7);
  const gradient = int(op, 6) != 0;
  const temperature = float(op, 0);
  const inverse: f32 = 1 / temperature;
  const theirs = scratch + ROW_STATE;
  const chunk = theirs + ROW_STATE;
  const lastRow = min((piece + 1) * rowsPer, int(op, 2));
  for (let row = piece * rowsPer; row < lastRow; row++) {
    const x = ptr(op, 0) + ((<usize>row * <usize>vocab) << 2);
    const teacher = ptr(op, 1) + ((<usize>row * <usize>vocab) << 2);
    const loss = ptr(op, 5) + (<usize>row << 2);
    const weight = load<f32>(ptr(op, 4) + (<usize>row << 2));
    if (weight == 0) {
      store<f32>(loss, 0);
      if (gradient) memory.fill(x, 0, <usize>vocab << 2);
      continue;
    }
    beginRow(scratch);
    beginRow(theirs);
    // Σ e^(teacher / T − top) · (teacher − logits).
    let apart: f64 = 0;
    for (let start = 0, i = 0; start < vocab; start += CHUNK, i++) {
      const n = min(CHUNK, vocab - start);
      const at = x + (<usize>start << 2);
      const their = teacher + (<usize>start << 2);
      const before = load<f32>(theirs + TOP);
      exponentials(their, chunk, n, i, inverse, theirs, scratch);
      const shrunk = i == 0 ? 0 : apart * Math.exp(<f64>before - <f64>load<f32>(theirs + TOP));
      apart = shrunk + <f64>weightedDifference(chunk, their, at, <usize>n << 2);
      exponentials(at, gradient ? at : chunk, n, i, inverse, scratch, scratch);
    }
    const total = load<f32>(theirs + TOTAL);
    const divergence = (apart / <f64>total) * <f64>inverse + logSumExp(scratch) - logSumExp(theirs);
    store<f32>(loss, <f32>(divergence * <f64>temperature * <f64>temperature));
    if (!gradient) continue;
    const scale = (weight * temperature) / load<f32>(scratch + TOTAL);
    const their = -(weight * temperature) / total;
    for (let start = 0, i = 0; start < vocab; start += CHUNK, i++) {
      const n = min(CHUNK, vocab - start);
      const at = x + (<usize>start << 2);
      const factor = scale * correctionOf(i, scratch);
      // The last top is the row's: these exponentials need no correction.
      exponentials(teacher + (<usize>start << 2), chunk, n, i, inverse, theirs, scratch);
      combine(at, chunk, <usize>n << 2, factor, their);
    }
  }
}

/** Σ weights · (a − b). */
function weightedDifference(weights: usize, a: usize, b: usize, bytes: usize): f32 {
  let total = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    total = madd(v128.load(weights + i), f32x4.sub(v128.load(a + i), v128.load(b + i)), total);
  }
  for (; i < bytes; i += 4) {
    total = madd(lanes(weights + i, false), f32x4.sub(lanes(a + i, false), lanes(b + i, false)), total);
  }
  return sum(total);
}

/** x = a · x + b · y. */
function combine(x: usize, y: usize, bytes: usize, a: f32, b: f32): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(x + i, madd(v128.load(x + i), f32x4.splat(a), f32x4.mul(v128.load(y + i), f32x4.splat(b))));
  }
  for (; i < bytes; i += 4) store<f32>(x + i, load<f32>(x + i) * a + load<f32>(y + i) * b);
}

function scaleRow(x: usize, bytes: usize, factor: f32): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(x + i, f32x4.mul(v128.load(x + i), f32x4.splat(factor)));
  for (; i < bytes; i += 4) store<f32>(x + i, load<f32>(x + i) * factor);
}
