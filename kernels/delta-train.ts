/** The gated delta rule over sequences that begin with an empty state, and the gradients of its gates. */
import { DELTA_BLOCK } from '../src/tensor/ops/delta-constants';
import { chunks } from './delta-chunks';
import { int, ptr } from './record';

/** Scratch that chunks() uses has this much room; the state lies behind it. */
const STATE_AT: usize = 1 << 18;

/**
 * Ints: those of deltaRule (state and tokens are not read), with runs in place of `chunked`, then the address of the states
 * to keep (0: none).
 * Runs follow one another, so that row / DELTA_BLOCK tells a run's first kept state from all others (see delta-train.ts in src).
 */
export function deltaTrain(op: usize, piece: i32, scratch: usize): void {
  const valueHeads = int(op, 9);
  const panels = (int(op, 11) + 7) >> 3;
  const per = int(op, 17);
  const parts = (panels + per - 1) / per;
  const run = ptr(op, 18) + (<usize>(piece / (valueHeads * parts)) << 3);
  const head = (piece / parts) % valueHeads;
  const firstPanel = (piece % parts) * per;
  const count = min(per, panels - firstPanel);
  const keyHead = int(op, 16) ? head % int(op, 8) : head / (valueHeads / int(op, 8));
  const panelBytes = <usize>((int(op, 10) + 3) & ~3) << 5;
  const stride = <usize>(valueHeads * panels) * panelBytes;
  const row = load<i32>(run);
  let kept = ptr(op, 19);
  if (kept) kept += <usize>(row / DELTA_BLOCK) * stride + <usize>(head * panels + firstPanel) * panelBytes;
  const state = scratch + STATE_AT;
  memory.fill(state, 0, <usize>count * panelBytes);
  chunks(op, head, keyHead, firstPanel, count, row, load<i32>(run, 4), state, kept, stride, scratch);
}

/**
 * Of g = −e^aLog · softplus(a + dtBias) and beta = sigmoid(b): da = −dg · e^aLog · sigmoid(a + dtBias), which is the gradient
 * of dtBias too; db = dLogBeta · (1 − beta).
 * Ints: a, aLog, dtBias, beta, dg, dLogBeta, da, db, rows, heads, aStride, daStride, dbStride, rows a piece.
 */
export function deltaGatesBackward(op: usize, piece: i32, scratch: usize): void {
  const heads = int(op, 9);
  const per = int(op, 13);
  for (let t = piece * per; t < min((piece + 1) * per, int(op, 8)); t++) {
    for (let h = 0; h < heads; h++) {
      const i = <usize>h << 2;
      const at = <usize>(t * heads + h) << 2;
      const x: f32 = load<f32>(ptr(op, 0) + (<usize>(t * int(op, 10)) << 2) + i) + load<f32>(ptr(op, 2) + i);
      const slope = -Math.exp(<f64>load<f32>(ptr(op, 1) + i)) / (1 + Math.exp(-<f64>x));
      store<f32>(ptr(op, 6) + (<usize>(t * int(op, 11)) << 2) + i, <f32>(<f64>load<f32>(ptr(op, 4) + at) * slope));
      const db: f32 = load<f32>(ptr(op, 5) + at) * (1 - load<f32>(ptr(op, 3) + at));
      store<f32>(ptr(op, 7) + (<usize>(t * int(op, 12)) << 2) + i, db);
    }
  }
}
