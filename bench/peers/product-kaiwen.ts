/** Kaiwen's own kernels on a team of threads: activations are quantised, then multiplied. */
import { setTimeout } from 'node:timers/promises';
import { byteLength } from '../../src/tensor/dtype.js';
import { activationBits, heldBytes, isFloat } from '../../src/tensor/ops/layout.js';
import { matmul } from '../../src/tensor/ops/matmul.js';
import { quantize, quantizedBytes } from '../../src/tensor/ops/quantize.js';
import { repack } from '../../src/tensor/ops/repack.js';
import { Team } from '../../src/tensor/team.js';
import { copiesOf, type Multiplier, type ProductCase } from './product.js';
import { RandomTensors } from './random.js';

const START_MS = 200;

export async function multiplier(one: ProductCase, threads: number): Promise<Multiplier> {
  const { type, tokens, rows, cols } = one;
  const copies = copiesOf(one);
  const elements = Math.max(rows, tokens) * cols;
  const team = new Team([4 * copies * (4 * elements + tokens * rows) + (1 << 24)], { threads });
  // The other members start while this thread waits.
  await setTimeout(START_MS);
  const [arena] = team.arenas;
  const { program } = arena;
  const random = new RandomTensors(0.02);
  const fill = (name: string, dtype: 'f32' | typeof type, shape: number[]): number => {
    const pointer = arena.alloc(byteLength(dtype, shape[0] * shape[1]));
    let at = pointer;
    for (const piece of random.pieces({ name, dtype, shape })) {
      arena.bytes(at, piece.length).set(piece);
      at += piece.length;
    }
    return pointer;
  };
  const x = fill('x', 'f32', [tokens, cols]);
  const bits = activationBits(type, team.simd, team.isNative);
  const products = Array.from({ length: copies }, () => {
    let weights = fill('weights', type, [rows, cols]);
    if (!isFloat(type)) {
      const src = weights;
      weights = arena.alloc(heldBytes(type, rows, cols));
      repack(program, { type, src, dst: weights, rows, cols });
      team.run(arena);
    }
    const out = bits ? arena.alloc(quantizedBytes(tokens, cols, bits)) : x;
    return { weights, out, y: arena.alloc(4 * tokens * rows) };
  });
  const run = () => {
    for (const { weights, out, y } of products) {
      if (bits) quantize(program, { x, out, tokens, cols, bits });
      matmul(program, { type, weights, x: out, y, tokens, rows, cols });
    }
    team.run(arena);
  };
  return { copies, run };
}
