/** How fast this machine multiplies matrices with our kernels: what the live view compares a run with. */
import type { NativeChoice } from '../tensor/native/native.js';
import { gemm } from '../tensor/ops/gemm.js';
import { Team } from '../tensor/team.js';

const SIDE = 768;
const RUNS = 4;

/** Floating-point operations a second of a large float32 product on so many threads; takes some tens of milliseconds. */
export function measurePeak(threads: number, native?: NativeChoice): number {
  using team = new Team([3 * 4 * SIDE ** 2 + 4096], { threads, native });
  const [arena] = team.arenas;
  const [a, b, c] = [0, 0, 0].map(() => arena.alloc(4 * SIDE ** 2));
  arena.floats(a, 2 * SIDE ** 2).fill(0.5);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const strides = { aStride: SIDE, bStride: SIDE, cStride: SIDE };
    gemm(arena.program, { m: SIDE, n: SIDE, k: SIDE, a, b, c, ...strides, transposeB: true });
    const started = performance.now();
    team.run(arena);
    best = Math.min(best, performance.now() - started);
  }
  return (2 * SIDE ** 3 * 1000) / best;
}
