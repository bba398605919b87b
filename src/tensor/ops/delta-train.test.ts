import { describe, expect, it } from 'vitest';
import { dot, gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import type { DeltaCase } from '../reference/delta.js';
import * as forward from '../reference/delta.js';
import * as backward from '../reference/delta-backward.js';
import { deltaBackward, deltaGatesBackward, deltaKeptBytes, deltaTrain } from './delta-train.js';
import { sumColumnsWork } from './sums.js';

interface Inputs {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  g: Float32Array;
  beta: Float32Array;
  dOut: Float32Array;
}

function inputs({ tokens, keyHeads, valueHeads, keyDim, valueDim }: DeltaCase, decay = 1): Inputs {
  return {
    q: random(tokens * keyHeads * keyDim, 1),
    k: random(tokens * keyHeads * keyDim, 2),
    v: random(tokens * valueHeads * valueDim, 3),
    g: random(tokens * valueHeads, 4).map((x) => -decay * (x + 1)),
    beta: random(tokens * valueHeads, 5).map((x) => (x + 1) / 2),
    dOut: random(tokens * valueHeads * valueDim, 6),
  };
}

const SHAPE: DeltaCase = { tokens: 5, keyHeads: 1, valueHeads: 2, keyDim: 3, valueDim: 4, tiled: false };

describe('references of gradients through the gated delta rule', () => {
  it('are those that finite differences show', () => {
    const x = inputs(SHAPE);
    const names = ['q', 'k', 'v', 'g', 'beta'] as const;
    const gradients = backward.deltaBackward(x.q, x.k, x.v, x.g, x.beta, x.dOut, SHAPE);
    const found = [gradients.dq, gradients.dk, gradients.dv, gradients.dg, gradients.dBeta];
    for (const [i, name] of names.entries()) {
      const expected = gradientOf((at) => {
        const [q, k, v, g, beta] = names.map((other) => (other === name ? at : x[other]));
        const out = forward.deltaRule(q, k, v, g, beta, new Float64Array(2 * 3 * 4), SHAPE);
        return dot(out, x.dOut);
      }, x[name]);
      expect(relativeError(found[i], expected), name).toBeLessThan(1e-6);
    }
  });

  it('are those that finite differences show for the gates', () => {
    const [a, b, aLog, dtBias] = [random(12, 1, 3), random(12, 2, 3), random(3, 3), random(3, 4)];
    const [dg, dBeta] = [random(12, 5), random(12, 6)];
    const of = (gates: { g: Float64Array; beta: Float64Array }) => dot(gates.g, dg) + dot(gates.beta, dBeta);
    const { da, db, dALog, dDtBias } = backward.deltaGatesBackward(a, b, aLog, dtBias, dg, dBeta);
    const through = (i: number) => (at: Float64Array) => {
      const all = [a, b, aLog, dtBias].map((x, j) => (i === j ? at : x));
      return of(forward.deltaGates(all[0], all[1], all[2], all[3]));
    };
    const expected = [a, b, aLog, dtBias].map((x, i) => gradientOf(through(i), x));
    for (const [i, found] of [da, db, dALog, dDtBias].entries()) {
      expect(relativeError(found, expected[i])).toBeLessThan(1e-6);
    }
  });
});

onBothBuilds('gated delta rule in training', (simd) => {
  /** Outputs and gradients of sequences of these lengths, against the references of each. */
  function check(lengths: readonly number[], shape: Omit<DeltaCase, 'tokens'>, decay = 1): void {
    const bench = new KernelBench(simd);
    const rows = lengths.reduce((a, b) => a + b);
    const { keyHeads, valueHeads, keyDim, valueDim } = shape;
    const keys = keyHeads * keyDim;
    const values = valueHeads * valueDim;
    const stride = 2 * keys + values;
    const x = inputs({ ...shape, tokens: rows }, decay);
    const joined = new Float32Array(rows * stride);
    for (let t = 0; t < rows; t++) {
      joined.set(x.q.subarray(t * keys, (t + 1) * keys), t * stride);
      joined.set(x.k.subarray(t * keys, (t + 1) * keys), t * stride + keys);
      joined.set(x.v.subarray(t * values, (t + 1) * values), t * stride + 2 * keys);
    }
    const runs = lengths.map((n, i) => [lengths.slice(0, i).reduce((a, b) => a + b, 0), n]);
    const place = (start: number) => ({ q: start, k: start + 4 * keys, v: start + 8 * keys });
    const operands = {
      ...{ ...shape, ...place(bench.put(joined)), stride, g: bench.put(x.g), beta: bench.put(x.beta) },
      ...{ runs: bench.put(Int32Array.from(runs.flat())), runCount: runs.length },
      kept: bench.alloc(deltaKeptBytes(rows, shape)),
    };
    const guard = bench.put(Float32Array.of(42));
    const out = bench.alloc(x.dOut.byteLength);
    const d = place(bench.alloc(joined.byteLength));
    const [dg, dLogBeta] = [bench.alloc(x.g.byteLength), bench.alloc(x.g.byteLength)];
    const gradients = { dq: d.q, dk: d.k, dv: d.v, dStride: stride, dg, dLogBeta };
    deltaTrain(bench.program, { ...operands, out });
    deltaBackward(bench.program, { ...operands, ...gradients, dOut: bench.put(x.dOut) });
    runBackwards(bench);
    expect(bench.floats(guard, 1)[0]).toBe(42);

    const expected = { out: [], dq: [], dk: [], dv: [], dg: [], dLogBeta: [] } as Record<string, number[]>;
    for (const [row, n] of runs) {
      const part = (values: Float32Array) =>
        values.slice((row * values.length) / rows, ((row + n) * values.length) / rows);
      const [q, k, v, g, beta, dOut] = [x.q, x.k, x.v, x.g, x.beta, x.dOut].map(part);
      const c = { ...shape, tokens: n };
      const state = new Float64Array(valueHeads * keyDim * valueDim);
      expected.out.push(...forward.deltaRule(q, k, v, g, beta, state, c));
      const { dBeta, ...rest } = backward.deltaBackward(q, k, v, g, beta, dOut, c);
      for (const [name, values] of Object.entries(rest)) expected[name].push(...values);
      expected.dLogBeta.push(...dBeta.map((value, i) => value * beta[i]));
    }
    const all = bench.floats(d.q, joined.length);
    const columns = (from: number, width: number) =>
      Array.from({ length: rows * width }, (_, i) => all[Math.floor(i / width) * stride + from + (i % width)]);
    expect(relativeError(bench.floats(out, x.dOut.length), expected.out), 'out').toBeLessThan(1e-5);
    expect(relativeError(columns(0, keys), expected.dq), 'dq').toBeLessThan(2e-5);
    expect(relativeError(columns(keys, keys), expected.dk), 'dk').toBeLessThan(2e-5);
    expect(relativeError(columns(2 * keys, values), expected.dv), 'dv').toBeLessThan(2e-5);
    expect(relativeError(bench.floats(dg, x.g.length), expected.dg), 'dg').toBeLessThan(2e-5);
    expect(relativeError(bench.floats(dLogBeta, x.g.length), expected.dLogBeta), 'dLogBeta').toBeLessThan(2e-5);
  }

  const shape = { keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 16, tiled: false };

  it.each([[[1]], [[3]], [[16]], [[37]], [[64, 64, 1]], [[5, 1, 130, 16, 64, 65, 2, 200]]])(
    'computes sequences of %j tokens',
    (lengths) => check(lengths, shape),
  );

  it('tiles key heads over value heads on request', () => check([20, 70], { ...shape, tiled: true }));

  it.each([
    [6, 10],
    [2, 2],
    [20, 4],
    [64, 36],
    [128, 128],
  ])('takes keys of %i and values of %i', (keyDim, valueDim) => {
    check([9, 83], { ...shape, keyDim, valueDim, valueHeads: 2 });
  });

  it('stays exact when everything is forgotten, and when nothing is', () => {
    check([100], shape, 30);
    check([100], shape, 0);
  });

  it('refuses heads that do not fit', () => {
    const bench = new KernelBench(simd);
    const nowhere = { q: 0, k: 0, v: 0, stride: 0, g: 0, beta: 0, out: 0, kept: 0, runs: 0, runCount: 1 };
    const large = { ...shape, keyDim: 256, valueDim: 256 };
    expect(() => deltaTrain(bench.program, { ...nowhere, ...large })).toThrow(/too large to train/);
  });

  it('computes the gradients of the gates', () => {
    const bench = new KernelBench(simd);
    const [rows, heads] = [300, 5];
    const n = rows * heads;
    const [a, b, aLog, dtBias] = [random(n, 1, 8), random(n, 2, 8), random(heads, 3), random(heads, 4)];
    const [dg, dBeta] = [random(n, 5), random(n, 6)];
    const gates = forward.deltaGates(a, b, aLog, dtBias);
    const dLogBeta = dBeta.map((value, i) => value * gates.beta[i]);
    const at = [a, aLog, dtBias, Float32Array.from(gates.g), Float32Array.from(gates.beta), dg, dLogBeta];
    const [pa, pALog, pDtBias, g, beta, pdg, pdLogBeta] = at.map((x) => bench.put(x));
    const [da, db] = [bench.alloc(4 * n), bench.alloc(4 * n)];
    const [dALog, dDtBias] = [0.5, 0.25].map((x) => bench.put(new Float32Array(heads).fill(x)));
    deltaGatesBackward(bench.program, {
      ...{ a: pa, aStride: heads, aLog: pALog, dtBias: pDtBias, g, beta, dg: pdg, dLogBeta: pdLogBeta },
      ...{ da, daStride: heads, db, dbStride: heads, dALog, dDtBias, rows, heads },
      work: bench.alloc(sumColumnsWork(rows, heads)),
    });
    runBackwards(bench);
    const expected = backward.deltaGatesBackward(a, b, aLog, dtBias, dg, dBeta);
    expect(relativeError(bench.floats(da, n), expected.da)).toBeLessThan(1e-6);
    expect(relativeError(bench.floats(db, n), expected.db)).toBeLessThan(1e-6);
    const added = (values: Float64Array, by: number) => values.map((value) => value + by);
    expect(relativeError(bench.floats(dALog, heads), added(expected.dALog, 0.5))).toBeLessThan(1e-5);
    expect(relativeError(bench.floats(dDtBias, heads), added(expected.dDtBias, 0.25))).toBeLessThan(1e-5);
  });
});
