import { describe, expect, it } from 'vitest';
import { dot, gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import * as reference from '../reference/backward.js';
import { gatedNorm, rmsNorm } from '../reference/norm.js';
import { gatedNormBackward, rmsNormBackward, rmsNormBackwardWork } from './norm-backward.js';

describe('references of gradients through norms', () => {
  it('are those that finite differences show', () => {
    const [x, weight, dy] = [random(30, 1), random(10, 2), random(30, 3)];
    const { dx, dw } = reference.rmsNormBackward(x, weight, dy, 1e-2, 1);
    const ofX = gradientOf((at) => dot(rmsNorm(at, weight, 1e-2, 1), dy), x);
    const ofWeight = gradientOf((at) => dot(rmsNorm(x, at, 1e-2, 1), dy), weight);
    expect(relativeError(dx, ofX)).toBeLessThan(1e-6);
    expect(relativeError(dw, ofWeight)).toBeLessThan(1e-6);
    const gate = random(30, 4, 3);
    const gated = reference.gatedNormBackward(x, gate, weight, dy, 1e-2);
    const throughX = gradientOf((at) => dot(gatedNorm(at, gate, weight, 1e-2), dy), x);
    const throughGate = gradientOf((at) => dot(gatedNorm(x, at, weight, 1e-2), dy), gate);
    const throughWeight = gradientOf((at) => dot(gatedNorm(x, gate, at, 1e-2), dy), weight);
    expect(relativeError(gated.dx, throughX)).toBeLessThan(1e-6);
    expect(relativeError(gated.dGate, throughGate)).toBeLessThan(1e-6);
    expect(relativeError(gated.dw, throughWeight)).toBeLessThan(1e-6);
  });
});

onAllBackends('gradients through norms', (simd, isa) => {
  it.each([
    [3, 5],
    [40, 7],
    [9, 130],
    [90, 16],
    [40, 208],
    [70, 1024],
    [2100, 2048],
  ])('computes those of [%i, %i], overwriting x', (rows, cols) => {
    const [x, weight, dy] = [random(rows * cols, 1), random(cols, 2), random(rows * cols, 3)];
    const bench = new KernelBench(simd, undefined, isa);
    const at = bench.put(x);
    const dw = bench.put(new Float32Array(cols).fill(0.5));
    const work = bench.alloc(rmsNormBackwardWork(rows, 1, cols));
    const shape = { rows, cols, eps: 1e-6, weightOffset: 1 };
    const operands = { x: at, weight: bench.put(weight), dy: bench.put(dy), dx: at, dw, work };
    rmsNormBackward(bench.program, { ...operands, ...shape });
    runBackwards(bench);
    const expected = reference.rmsNormBackward(x, weight, dy, 1e-6, 1);
    expect(relativeError(bench.floats(at, x.length), expected.dx)).toBeLessThan(2e-6);
    const total = expected.dw.map((value) => value + 0.5);
    expect(relativeError(bench.floats(dw, cols), total)).toBeLessThan(2e-6);
  });

  it.each([20, 48])('adds to the gradients of heads of %i that lie between gates, with frozen weights', (cols) => {
    const [rows, groups] = [50, 3];
    const packed = random(rows * groups * cols, 1);
    const [weight, dy] = [random(cols, 2), random(packed.length, 3)];
    const spread = (values: Float32Array, fill: number) => {
      const all = new Float32Array(2 * values.length).fill(fill);
      values.forEach((value, i) => {
        all[Math.floor(i / cols) * 2 * cols + (i % cols)] = value;
      });
      return all;
    };
    const bench = new KernelBench(simd, undefined, isa);
    const dx = bench.put(spread(random(packed.length, 4), 7));
    rmsNormBackward(bench.program, {
      ...{ x: bench.put(spread(packed, 9)), weight: bench.put(weight), dy: bench.put(dy), dx, dw: 0, work: 0 },
      ...{ rows, groups, cols, xGroupStride: 2 * cols, dxGroupStride: 2 * cols, eps: 1e-6, accumulate: true },
    });
    bench.run();
    const gradient = reference.rmsNormBackward(packed, weight, dy, 1e-6).dx;
    const expected = random(packed.length, 4).map((value, i) => value + gradient[i]);
    expect(relativeError(bench.floats(dx, 2 * packed.length), spread(expected, 7))).toBeLessThan(2e-6);
  });

  it.each([
    [3, 2, 6],
    [50, 3, 130],
    [70, 4, 128],
  ])('computes those of a gated norm of [%i, %i, %i], in place', (rows, groups, cols) => {
    const n = rows * groups * cols;
    const [x, gate, weight, dy] = [random(n, 1), random(n, 2, 4), random(cols, 3), random(n, 4)];
    const bench = new KernelBench(simd, undefined, isa);
    const [dx, dGate] = [bench.put(x), bench.put(gate)];
    const dw = bench.put(new Float32Array(cols).fill(0.5));
    const work = bench.alloc(rmsNormBackwardWork(rows, groups, cols));
    const operands = { x: dx, gate: dGate, weight: bench.put(weight), dy: bench.put(dy), dx, dGate, dw, work };
    gatedNormBackward(bench.program, { ...operands, rows, groups, cols, eps: 1e-6 });
    runBackwards(bench);
    const expected = reference.gatedNormBackward(x, gate, weight, dy, 1e-6);
    expect(relativeError(bench.floats(dx, n), expected.dx)).toBeLessThan(5e-6);
    expect(relativeError(bench.floats(dGate, n), expected.dGate)).toBeLessThan(5e-6);
    const total = expected.dw.map((value) => value + 0.5);
    expect(relativeError(bench.floats(dw, cols), total)).toBeLessThan(5e-6);
  });
});
