import { describe, expect, it } from 'vitest';
import { gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random, relativeError } from '../../../test/sequence-cases.js';
import * as reference from '../reference/loss.js';
import { crossEntropy, klDivergence } from './loss.js';

describe('references of losses', () => {
  it('have the gradients that finite differences show', () => {
    const logits = random(9, 1, 4);
    const ofLogits = gradientOf((x) => 0.7 * reference.crossEntropy(x, 4), logits);
    expect(relativeError(reference.crossEntropyGradient(logits, 4, 0.7), ofLogits)).toBeLessThan(1e-6);
    const teacher = random(9, 2, 4);
    const divergence = gradientOf((x) => 0.7 * reference.klDivergence(x, teacher, 2), logits);
    expect(relativeError(reference.klGradient(logits, teacher, 2, 0.7), divergence)).toBeLessThan(1e-6);
  });
});

onAllBackends('cross-entropy', (simd, isa) => {
  it.each([
    [7, 2],
    [9, 64],
    [5, 1003],
    [3, 20_000],
    [2, 151_936],
  ])('computes loss and gradient of [%i, %i]', (rows, vocab) => {
    const logits = random(rows * vocab, vocab, 12);
    // The largest come late, so that what was computed before has to shrink.
    for (let i = 0; i < logits.length; i++) logits[i] += (30 * (i % vocab)) / vocab;
    const targets = Int32Array.from({ length: rows }, (_, r) => (r === 1 ? -1 : (r * 7919) % vocab));
    const weights = random(rows, 3);
    const bench = new KernelBench(simd, undefined, isa);
    const at = bench.put(logits);
    const [kept, nll] = [bench.alloc(rows * 4), bench.alloc(rows * 4)];
    const shape = { logits: at, rows, vocab, targets: bench.put(targets), weights: bench.put(weights) };
    crossEntropy(bench.program, { ...shape, nll: kept, gradient: false });
    bench.run();
    expect(bench.floats(at, logits.length)).toEqual(logits);
    crossEntropy(bench.program, { ...shape, nll, gradient: true });
    bench.run();
    expect(bench.floats(nll, rows)).toEqual(bench.floats(kept, rows));
    const gradient = bench.floats(at, logits.length);
    for (let r = 0; r < rows; r++) {
      const row = logits.subarray(r * vocab, (r + 1) * vocab);
      expect(Math.abs(bench.floats(nll, rows)[r] - reference.crossEntropy(row, targets[r]))).toBeLessThan(5e-6);
      const expected = reference.crossEntropyGradient(row, targets[r], weights[r]);
      const actual = gradient.subarray(r * vocab, (r + 1) * vocab);
      const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(actual[i] - value)), 0);
      expect(worst).toBeLessThan(1e-6 * Math.abs(weights[r]) + 1e-30);
    }
  });

  it('shows a logit that is not a number', () => {
    const bench = new KernelBench(simd, undefined, isa);
    const logits = random(64, 1);
    logits[40] = Number.NaN;
    const nll = bench.alloc(4);
    const inputs = { logits: bench.put(logits), targets: bench.put(new Int32Array(1)), weights: bench.alloc(4) };
    crossEntropy(bench.program, { ...inputs, rows: 1, vocab: 64, nll, gradient: true });
    bench.run();
    expect(bench.floats(nll, 1)[0]).toBeNaN();
  });
});

onAllBackends('divergence from a teacher', (simd, isa) => {
  it.each([
    [7, 2, 1],
    [9, 64, 2],
    [5, 1003, 1.5],
    [2, 20_000, 4],
  ])('computes loss and gradient of [%i, %i] at temperature %f', (rows, vocab, temperature) => {
    const [logits, teacher] = [random(rows * vocab, 1, 12), random(rows * vocab, 2, 12)];
    for (let i = 0; i < logits.length; i++) teacher[i] += (20 * (i % vocab)) / vocab;
    const weights = random(rows, 3);
    weights[1] = 0;
    const bench = new KernelBench(simd, undefined, isa);
    const [at, their, loss] = [bench.put(logits), bench.put(teacher), bench.alloc(rows * 4)];
    const shape = { logits: at, teacher: their, rows, vocab, weights: bench.put(weights), loss, temperature };
    klDivergence(bench.program, { ...shape, gradient: false });
    bench.run();
    const kept = bench.floats(loss, rows);
    expect(bench.floats(at, logits.length)).toEqual(logits);
    klDivergence(bench.program, { ...shape, gradient: true });
    bench.run();
    expect(bench.floats(loss, rows)).toEqual(kept);
    expect(bench.floats(their, teacher.length)).toEqual(teacher);
    const gradient = bench.floats(at, logits.length);
    for (let r = 0; r < rows; r++) {
      const [row, from] = [logits, teacher].map((all) => all.subarray(r * vocab, (r + 1) * vocab));
      const expected = weights[r] ? reference.klDivergence(row, from, temperature) : 0;
      expect(Math.abs(kept[r] - expected)).toBeLessThan(1e-6 * temperature ** 2 * Math.max(10, expected));
      const slope = reference.klGradient(row, from, temperature, weights[r]);
      const actual = gradient.subarray(r * vocab, (r + 1) * vocab);
      const worst = slope.reduce((most, value, i) => Math.max(most, Math.abs(actual[i] - value)), 0);
      expect(worst).toBeLessThan(2e-6 * temperature * Math.abs(weights[r]) + 1e-30);
    }
  });
});
