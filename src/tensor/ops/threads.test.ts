import { afterAll, describe, expect, it } from 'vitest';
import { random } from '../../../test/sequence-cases.js';
import { align } from '../arena.js';
import { Team } from '../team.js';
import { sigmoidGateBackward, swigluBackward } from './elementwise-backward.js';
import { embedBackward } from './embed-backward.js';
import { crossEntropy } from './loss.js';
import { gatedNormBackward, rmsNormBackward, rmsNormBackwardWork } from './norm-backward.js';
import { adamw } from './optimizer.js';
import { dropout } from './random.js';
import { sumColumns, sumColumnsWork, sumSquares, sumSquaresPieces } from './sums.js';

/** Every operation on gradients over one set of memory, as a training step might run them; returns all of that memory. */
function step(team: Team): Uint8Array {
  const { program, memory } = team.arenas[0];
  const start = team.arenas[0].alloc(0);
  let top = start;
  const put = (data: Float32Array | Int32Array | Uint8Array) => {
    new Uint8Array(memory.buffer, top, data.byteLength).set(new Uint8Array(data.buffer, 0, data.byteLength));
    top += align(data.byteLength);
    return top - align(data.byteLength);
  };
  const [rows, cols] = [700, 260];
  const n = rows * cols;
  const [x, gate, dy, dx, dGate] = [1, 2, 3, 4, 5].map((seed) => put(random(n, seed)));
  const [weight, dw, sums] = [6, 7, 8].map((seed) => put(random(cols, seed)));
  const work = put(new Uint8Array(rmsNormBackwardWork(rows, 1, cols) + sumColumnsWork(rows, cols)));
  const [ids, nll] = [put(Int32Array.from({ length: rows }, (_, t) => (t * t) % 50)), put(new Float32Array(rows))];
  const table = put(random(50 * cols, 9));
  const squares = put(new Uint8Array(8 * sumSquaresPieces(n)));
  const norm = { x, weight, dy, dx, dw, rows, cols, eps: 1e-6, work };
  rmsNormBackward(program, norm);
  gatedNormBackward(program, { ...norm, gate, dGate });
  swigluBackward(program, { gate, up: x, dy: dx, dGate, dUp: dy, rows, cols });
  sigmoidGateBackward(program, { x, gate, dy, dx, dGate, rows, cols });
  sumColumns(program, { x: dx, y: sums, rows, cols, work });
  embedBackward(program, { ids, dy: dx, dw: table, tokens: rows, rows: 50, cols });
  dropout(program, { x, y: x, n, rate: 0.2, seed: 3 });
  crossEntropy(program, { logits: x, rows, vocab: cols, targets: ids, weights: dy, nll, gradient: true });
  sumSquares(program, { x: dGate, n, out: squares });
  const settings = { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 3, gradScale: 1 };
  adamw(program, { w: gate, g: dx, m: dGate, v: dGate + n * 2, n, ...settings, moments: 'bf16' });
  team.run(team.arenas[0]);
  return new Uint8Array(memory.buffer).slice(start, top);
}

describe('gradients', () => {
  const teams = [1, 2, 5].map((threads) => new Team([16 << 20], { threads }));
  afterAll(() => {
    for (const team of teams) team[Symbol.dispose]();
  });

  it('are the same, bit for bit, for any number of threads', () => {
    const [one, ...others] = teams.map(step);
    for (const other of others) expect(Buffer.compare(one, other)).toBe(0);
  });
});
