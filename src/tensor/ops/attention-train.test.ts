import { expect, it } from 'vitest';
import { dot, gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import type { TrainCase } from '../reference/attention-train.js';
import * as reference from '../reference/attention-train.js';
import {
  attentionBackward,
  attentionBackwardWork,
  attentionForward,
  attentionForwardWork,
  type TrainAttentionBackward,
} from './attention-train.js';

const SMALL: TrainCase = { heads: 4, kvHeads: 2, headDim: 16, scale: 0.25, runs: [5] };

function inputs({ runs, heads, kvHeads, headDim }: TrainCase) {
  const rows = runs.reduce((a, b) => a + b, 0);
  const width = rows * heads * headDim;
  const kvWidth = rows * kvHeads * headDim;
  return { rows, q: random(width, 1, 2), k: random(kvWidth, 2, 2), v: random(kvWidth, 3), dOut: random(width, 4) };
}

type Inputs = ReturnType<typeof inputs>;

/** Operands in memory; all that the operations must write is NaN before. */
function operands(bench: KernelBench, c: TrainCase, x: Inputs): TrainAttentionBackward {
  const { heads, kvHeads, headDim, scale, runs } = c;
  const empty = (n: number) => bench.put(new Float32Array(n).fill(Number.NaN));
  const ends = runs.map((_, i) => runs.slice(0, i + 1).reduce((a, b) => a + b, 0));
  const shape = { heads, kvHeads, headDim, rows: x.rows, maxRows: Math.max(...runs), runCount: runs.length };
  const [width, kvWidth] = [heads * headDim, kvHeads * headDim];
  const work = Math.max(attentionForwardWork(shape), attentionBackwardWork(shape));
  return {
    ...{ ...shape, scale, qStride: width, kStride: kvWidth, vStride: kvWidth },
    ...{ dqStride: width, dkStride: kvWidth, dvStride: kvWidth },
    ...{ q: bench.put(x.q), k: bench.put(x.k), v: bench.put(x.v), dOut: bench.put(x.dOut) },
    ...{ out: empty(x.q.length), lse: empty(x.rows * heads) },
    ...{ dq: empty(x.q.length), dk: empty(x.k.length), dv: empty(x.v.length) },
    runs: bench.put(Int32Array.from(runs.flatMap((rows, i) => [ends[i] - rows, rows]))),
    qScale: c.qScale ? bench.put(Float32Array.from(c.qScale)) : 0,
    work: bench.put(new Uint8Array(work).fill(0xff)),
  };
}

const known = new Map<string, ReturnType<typeof expectations>>();

/** What the reference says, computed once for all backends. */
function expectations(c: TrainCase, { q, k, v, dOut }: Inputs) {
  const forward = { out: reference.attentionForward(q, k, v, c), lse: reference.logSumExp(q, k, c) };
  return { ...forward, gradients: reference.attentionBackward(q, k, v, dOut, c) };
}

onAllBackends('attention in training', (simd, isa) => {
  function check(c: TrainCase): void {
    const bench = new KernelBench(simd, 64 << 20, isa);
    const x = inputs(c);
    const o = operands(bench, c, x);
    attentionForward(bench.program, o);
    attentionBackward(bench.program, o);
    bench.run();
    const key = JSON.stringify(c);
    const { out, lse, gradients: expected } = known.get(key) ?? expectations(c, x);
    known.set(key, { out, lse, gradients: expected });
    const read = (pointer: number, like: ArrayLike<number>) => bench.floats(pointer, like.length);
    expect(relativeError(read(o.out, out), out)).toBeLessThan(1e-5);
    expect(relativeError(read(o.lse, lse), lse)).toBeLessThan(1e-5);
    for (const name of ['dq', 'dk', 'dv'] as const) {
      // Gradients may all be 0: then errors are measured against 1.
      const [actual, exact] = [read(o[name], expected[name]), expected[name]].map((values) => [...values, 1]);
      expect(relativeError(actual, exact), name).toBeLessThan(2e-5);
    }
  }

  it.each([1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 100, 300])('takes a run of %i rows', (rows) => {
    check({ ...SMALL, runs: [rows] });
  });

  it('keeps sequences apart', () => {
    check({ ...SMALL, runs: [3, 1, 70, 16, 64, 2] });
    check({ ...SMALL, runs: [0, 33, 0, 260, 5] });
  });

  it.each([10, 16, 32, 64, 80, 128, 256])('takes heads of %i dimensions', (headDim) => {
    check({ ...SMALL, runs: [70, 9], headDim, scale: 0.1 });
  });

  it.each([1, 2, 3, 8])('shares a head of keys among %i heads of queries', (group) => {
    check({ ...SMALL, runs: [50, 20], heads: 2 * group, headDim: 8 });
  });

  it('scales each query by its own factor', () => {
    check({ ...SMALL, runs: [40, 3], qScale: random(43, 9).map((x) => 1 + x / 2) });
  });

  it('adds the ranges of a long run up', () => {
    check({ ...SMALL, runs: [600], heads: 2, kvHeads: 1, headDim: 8 });
  });

  it('keeps scores of any size in range', () => {
    check({ ...SMALL, runs: [90], scale: 1e-30 });
    const bench = new KernelBench(simd, 64 << 20, isa);
    const c = { ...SMALL, runs: [90], scale: 300 };
    const o = operands(bench, c, inputs(c));
    attentionForward(bench.program, o);
    attentionBackward(bench.program, o);
    bench.run();
    for (const at of [o.out, o.dq]) expect(bench.floats(at, 90 * 64).every(Number.isFinite)).toBe(true);
  });

  it('gives the same bits in any order of pieces', () => {
    const results = [(bench: KernelBench) => bench.run(), runBackwards].map((run) => {
      const bench = new KernelBench(simd, 64 << 20, isa);
      const c = { ...SMALL, runs: [70, 300, 5] };
      const o = operands(bench, c, inputs(c));
      attentionForward(bench.program, o);
      attentionBackward(bench.program, o);
      run(bench);
      const width = 375 * 64;
      return [bench.floats(o.out, width), bench.floats(o.dq, width), bench.floats(o.dk, width / 2)];
    });
    expect(results[0]).toEqual(results[1]);
  });

  it('reads and writes between other columns, and leaves rows of no run alone', () => {
    const bench = new KernelBench(simd, 64 << 20, isa);
    const c = { ...SMALL, runs: [20] };
    const x = inputs(c);
    const [plain, strided] = [operands(bench, c, x), operands(bench, c, x)];
    // Queries, keys and values side by side, 128 columns and 7 more; the run begins at row 2 of 25.
    const [stride, before, rows] = [135, 2, 25];
    const spread = (...parts: [ArrayLike<number>, number][]) => {
      const all = new Float32Array(rows * stride).fill(7);
      for (let t = 0; t < 20; t++) {
        let at = (before + t) * stride;
        for (const [values, width] of parts) {
          for (let i = 0; i < width; i++) all[at++] = values[t * width + i];
        }
      }
      return bench.put(all);
    };
    const qkv = spread([x.q, 64], [x.k, 32], [x.v, 32]);
    const gradients = spread();
    const dOut = spread([x.dOut, 64]);
    const out = spread();
    const columns = { q: qkv, k: qkv + 256, v: qkv + 384, dq: gradients, dk: gradients + 256, dv: gradients + 384 };
    const strides = { qStride: stride, kStride: stride, vStride: stride, outStride: stride, dOutStride: stride };
    const o = {
      ...{ ...strided, ...columns, ...strides, dqStride: stride, dkStride: stride, dvStride: stride },
      ...{ rows, out, dOut, lse: bench.alloc(rows * 16), runs: bench.put(Int32Array.from([before, 20])) },
      work: bench.alloc(attentionForwardWork({ ...strided, rows })),
    };
    for (const operand of [plain, o]) {
      attentionForward(bench.program, operand);
      attentionBackward(bench.program, operand);
    }
    bench.run();
    const expected = [[plain.dq, 64] as const, [plain.dk, 32] as const, [plain.dv, 32] as const];
    const all = bench.floats(gradients, rows * stride);
    const answers = bench.floats(out, rows * stride);
    for (let row = 0; row < rows; row++) {
      const t = row - before;
      const inRun = t >= 0 && t < 20;
      const exact = inRun ? expected.flatMap(([at, n]) => [...bench.floats(at + t * n * 4, n)]) : Array(128).fill(7);
      expect([...all.subarray(row * stride, (row + 1) * stride)]).toEqual([...exact, ...Array(7).fill(7)]);
      const answer = inRun ? [...bench.floats(plain.out + t * 256, 64)] : Array(64).fill(7);
      expect([...answers.subarray(row * stride, (row + 1) * stride)]).toEqual([...answer, ...Array(71).fill(7)]);
    }
  });
});

it('the reference has the gradients that finite differences show', () => {
  const c: TrainCase = { heads: 4, kvHeads: 2, headDim: 3, scale: 0.6, runs: [4, 2], qScale: random(6, 5, 2) };
  const { q, k, v, dOut } = inputs(c);
  const { dq, dk, dv } = reference.attentionBackward(q, k, v, dOut, c);
  const forward = reference.attentionForward;
  expect(
    relativeError(
      dq,
      gradientOf((at) => dot(forward(at, k, v, c), dOut), q),
    ),
  ).toBeLessThan(1e-6);
  expect(
    relativeError(
      dk,
      gradientOf((at) => dot(forward(q, at, v, c), dOut), k),
    ),
  ).toBeLessThan(1e-6);
  expect(
    relativeError(
      dv,
      gradientOf((at) => dot(forward(q, k, at, c), dOut), v),
    ),
  ).toBeLessThan(1e-6);
});

it('refuses shapes that the kernels do not have', () => {
  const bench = new KernelBench('plain', 8 << 20);
  const o = operands(bench, SMALL, inputs(SMALL));
  expect(() => attentionForward(bench.program, { ...o, headDim: 257 })).toThrow('heads of 257');
  expect(() => attentionBackward(bench.program, { ...o, heads: 3 })).toThrow('3/2 heads');
});
