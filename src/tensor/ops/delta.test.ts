import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import * as reference from '../reference/delta.js';
import { deltaGates, deltaRule, deltaStateBytes } from './delta.js';

onBothBuilds('gated delta rule', (simd) => {
  /** Runs the sequence in calls of `calls` tokens and compares outputs and final state with the recurrence. */
  function check(c: reference.DeltaCase, calls: number, decay = 1): void {
    const bench = new KernelBench(simd);
    const { tokens, keyHeads, valueHeads, keyDim, valueDim } = c;
    const q = random(tokens * keyHeads * keyDim, 1);
    const k = random(tokens * keyHeads * keyDim, 2);
    const v = random(tokens * valueHeads * valueDim, 3);
    const g = random(tokens * valueHeads, 4).map((x) => -decay * (x + 1));
    const beta = random(tokens * valueHeads, 5).map((x) => (x + 1) / 2);
    const state = bench.put(new Uint8Array(deltaStateBytes(valueHeads, keyDim, valueDim)));
    const at = { q: bench.put(q), k: bench.put(k), v: bench.put(v), g: bench.put(g), beta: bench.put(beta) };
    const out = bench.alloc(v.byteLength);
    for (let t = 0; t < tokens; t += calls) {
      deltaRule(bench.program, {
        ...c,
        tokens: Math.min(calls, tokens - t),
        q: at.q + t * keyHeads * keyDim * 4,
        k: at.k + t * keyHeads * keyDim * 4,
        v: at.v + t * valueHeads * valueDim * 4,
        g: at.g + t * valueHeads * 4,
        beta: at.beta + t * valueHeads * 4,
        out: out + t * valueHeads * valueDim * 4,
        state,
      });
    }
    bench.run();
    const expectedState = new Float64Array(valueHeads * keyDim * valueDim);
    const expected = reference.deltaRule(q, k, v, g, beta, expectedState, c);
    expect(relativeError(bench.floats(out, v.length), expected)).toBeLessThan(1e-5);
    const rows = Math.ceil(keyDim / 4) * 4;
    const panels = Math.ceil(valueDim / 8);
    const stored = bench.floats(state, valueHeads * panels * rows * 8);
    const actual = expectedState.map((_, i) => {
      const [head, row, column] = [Math.floor(i / keyDim / valueDim), Math.floor(i / valueDim) % keyDim, i % valueDim];
      return stored[((head * panels + (column >> 3)) * rows + row) * 8 + (column & 7)];
    });
    expect(relativeError(actual, expectedState)).toBeLessThan(1e-5);
  }

  const shape = { tokens: 85, keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, tiled: false };

  it.each([1, 2, 16, 17, 32, 33, 64, 85])('gives the same for calls of %i tokens', (calls) => check(shape, calls));

  it('tiles key heads over value heads on request', () => {
    check({ ...shape, tiled: true }, 1);
    check({ ...shape, tiled: true }, 40);
  });

  it.each([
    [6, 10],
    [2, 2],
    [20, 4],
    [64, 36],
    [128, 128],
  ])('takes keys of %i and values of %i', (keyDim, valueDim) => {
    check({ ...shape, tokens: 37, keyDim, valueDim }, 37);
    check({ ...shape, tokens: 5, keyDim, valueDim }, 2);
  });

  it('stays finite when everything is forgotten, and exact when nothing is', () => {
    check(shape, 85, 60);
    check(shape, 85, 0);
  });

  it('computes the gates', () => {
    const bench = new KernelBench(simd);
    const [tokens, heads] = [5, 3];
    const a = random(tokens * heads, 1, 30);
    const b = random(tokens * heads, 2, 20);
    const aLog = random(heads, 3, 2);
    const dtBias = random(heads, 4, 2);
    const at = [a, b, aLog, dtBias, a, b].map((x) => bench.put(x));
    deltaGates(bench.program, { a: at[0], b: at[1], aLog: at[2], dtBias: at[3], g: at[4], beta: at[5], tokens, heads });
    bench.run();
    const expected = reference.deltaGates(a, b, aLog, dtBias);
    bench.floats(at[4], a.length).forEach((g, i) => {
      expect(Math.abs(g / expected.g[i] - 1)).toBeLessThan(1e-6);
    });
    expect(relativeError(bench.floats(at[5], b.length), expected.beta)).toBeLessThan(1e-6);
  });
});
