/**
 * Times attention in training on one thread: milliseconds of processor time (the best of several runs) and thousand
 * million floating-point operations a second, of which only those that a causal row needs are counted (4 a score and
 * dimension forward, 10 backward).
 *
 *   npx tsx bench/attention-train.ts [plain|relaxed|best|avx2|…]...
 */
import { chooseSimd, type Simd } from '../src/tensor/kernels.js';
import { availableIsas } from '../src/tensor/native/available.js';
import type { IsaName } from '../src/tensor/native/isa.js';
import {
  attentionBackward,
  attentionBackwardWork,
  attentionForward,
  attentionForwardWork,
} from '../src/tensor/ops/attention-train.js';
import { KernelBench } from '../test/kernel-bench.js';
import { random } from '../test/sequence-cases.js';

const SHAPES = [
  { runs: 24, length: 128, heads: 4, kvHeads: 2, headDim: 32 },
  { runs: 2, length: 1024, heads: 8, kvHeads: 8, headDim: 64 },
  { runs: 1, length: 256, heads: 16, kvHeads: 8, headDim: 128 },
];

function measure(name: string, simd: Simd, isa: IsaName | undefined): void {
  for (const { runs, length, heads, kvHeads, headDim } of SHAPES) {
    const bench = new KernelBench(simd, 256 << 20, isa);
    const rows = runs * length;
    const shape = { heads, kvHeads, headDim, rows, maxRows: length, runCount: runs };
    const [width, kvWidth] = [heads * headDim, kvHeads * headDim];
    const input = (n: number, seed: number) => bench.put(random(rows * n, seed));
    const output = (n: number) => bench.alloc(rows * n * 4);
    const o = {
      ...{ ...shape, scale: headDim ** -0.5, qStride: width, kStride: kvWidth, vStride: kvWidth },
      ...{ q: input(width, 1), k: input(kvWidth, 2), v: input(kvWidth, 3), dOut: input(width, 4) },
      ...{ out: output(width), lse: output(heads), dq: output(width), dk: output(kvWidth), dv: output(kvWidth) },
      ...{ dqStride: width, dkStride: kvWidth, dvStride: kvWidth },
      runs: bench.put(Int32Array.from({ length: 2 * runs }, (_, i) => (i % 2 ? length : (i / 2) * length))),
      work: bench.alloc(Math.max(attentionForwardWork(shape), attentionBackwardWork(shape))),
    };
    const scores = runs * heads * ((length * (length + 1)) / 2);
    const [forward, backward] = [attentionForward, attentionBackward].map((record) => {
      return time(() => {
        record(bench.program, o);
        bench.run();
      });
    });
    const rate = (ms: number, each: number) =>
      `${ms.toFixed(2).padStart(8)} ms ${((scores * headDim * each) / ms / 1e6).toFixed(1).padStart(6)} GFLOP/s`;
    const label = `${name} ${runs} x ${length}, ${heads}/${kvHeads} heads of ${headDim}`;
    console.log(`${label.padEnd(48)} forward ${rate(forward, 4)}   backward ${rate(backward, 10)}`);
  }
}

/** Milliseconds of processor time, so that a neighbour on the core does not count. */
function time(run: () => void): number {
  let best = Infinity;
  const until = performance.now() + 1000;
  for (let i = 0; i < 4 || performance.now() < until; i++) {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

const wanted = process.argv.slice(2);
for (const simd of ['plain', 'relaxed'] as const) {
  if (!wanted.length || wanted.includes(simd)) measure(simd, simd, undefined);
}
availableIsas().forEach((isa, i) => {
  if (!wanted.length || wanted.includes(isa) || (i === 0 && wanted.includes('best'))) measure(isa, chooseSimd(), isa);
});
