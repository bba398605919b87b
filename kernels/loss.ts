/** Losses over a vocabulary, row by row, and their gradients where the logits are. */
import { beginRow, CHUNK, correctionOf, exponentials, logSumExp, ROW_STATE, TOTAL } from './exponentials';
import { int, ptr } from './record';

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

function scaleRow(x: usize, bytes: usize, factor: f32): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(x + i, f32x4.mul(v128.load(x + i), f32x4.splat(factor)));
  for (; i < bytes; i += 4) store<f32>(x + i, load<f32>(x + i) * factor);
}
