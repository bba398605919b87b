import { describe, expect, it } from 'vitest';
import { gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random, relativeError } from '../../../test/sequence-cases.js';
import { siluSlope } from '../reference/backward.js';
import { sigmoid, silu } from '../reference/elementwise.js';
import { axpby, sigmoidGateBackward, swigluBackward } from './elementwise-backward.js';

describe('the slope of silu', () => {
  it('is the one that finite differences show', () => {
    for (const x of [-20, -1.3, 0, 0.4, 9]) {
      expect(siluSlope(x)).toBeCloseTo(gradientOf(([at]) => silu(at), [x])[0], 7);
    }
  });
});

onAllBackends('gradients of elementwise operations', (simd, isa) => {
  it.each([
    [1, 1],
    [3, 7],
    [5, 130],
    [2, 9001],
    [40, 16],
    [3, 208],
    [2, 9040],
  ])('computes those of SwiGLU over [%i, %i] in place', (rows, cols) => {
    const bench = new KernelBench(simd, undefined, isa);
    const fused = random(rows * 2 * cols, 3, 8);
    const dy = random(rows * cols, 4);
    const gate = bench.put(fused);
    const up = gate + cols * 4;
    swigluBackward(bench.program, {
      ...{ gate, up, dy: bench.put(dy), dGate: gate, dUp: up, rows, cols },
      ...{ gateStride: 2 * cols, upStride: 2 * cols, dGateStride: 2 * cols, dUpStride: 2 * cols },
    });
    bench.run();
    const expected = Float64Array.from(fused, (value, i) => {
      const [row, col] = [Math.floor(i / cols / 2), i % (2 * cols)];
      if (col < cols) return dy[row * cols + col] * fused[i + cols] * siluSlope(value);
      return dy[row * cols + col - cols] * silu(fused[i - cols]);
    });
    expect(relativeError(bench.floats(gate, fused.length), expected)).toBeLessThan(5e-6);
  });

  it.each([1, 6, 64, 70_001])('adds multiples of %i elements, and does not read what it overwrites', (n) => {
    const bench = new KernelBench(simd, undefined, isa);
    const [x, before] = [random(n, 1), random(n, 2)];
    const at = bench.put(x);
    const y = bench.put(before);
    const z = bench.put(new Float32Array(n).fill(Number.NaN));
    axpby(bench.program, { x: at, y, n, a: -0.5, b: 0.25 });
    axpby(bench.program, { x: at, y: z, n, a: 3, b: 0 });
    bench.run();
    const expected = x.map((value, i) => -0.5 * value + 0.25 * before[i]);
    expect(relativeError(bench.floats(y, n), expected)).toBeLessThan(1e-6);
    expect(bench.floats(z, n)).toEqual(x.map((value) => 3 * value));
  });

  it('computes those of gates that lie between queries, and of one gate a row, in place', () => {
    const [rows, groups, cols] = [40, 2, 18];
    const n = rows * groups * cols;
    const [x, dy] = [random(n, 1), random(n, 2)];
    const fused = random(2 * n, 3, 6);
    const single = random(rows, 4, 6);
    const bench = new KernelBench(simd, undefined, isa);
    const [at, from] = [bench.put(x), bench.put(dy)];
    const gates = bench.put(fused);
    const gate = gates + cols * 4;
    const [dx, dSingle] = [bench.alloc(n * 4), bench.alloc(rows * 4)];
    const all = { x: at, gate: bench.put(single), dy: from, dx, dGate: dSingle, rows, cols: groups * cols };
    sigmoidGateBackward(bench.program, { ...all, broadcast: true });
    const strides = { gateGroupStride: 2 * cols, dGateGroupStride: 2 * cols };
    sigmoidGateBackward(bench.program, { x: at, gate, dy: from, dx: at, dGate: gate, rows, groups, cols, ...strides });
    bench.run();

    const opening = (i: number) => sigmoid(single[Math.floor(i / groups / cols)]);
    const rowGradient = new Float64Array(rows);
    dy.forEach((value, i) => {
      rowGradient[Math.floor(i / groups / cols)] += value * x[i] * opening(i) * (1 - opening(i));
    });
    const scaled = Float64Array.from(dy, (value, i) => value * opening(i));
    expect(relativeError(bench.floats(dx, n), scaled)).toBeLessThan(1e-6);
    expect(relativeError(bench.floats(dSingle, rows), rowGradient)).toBeLessThan(5e-6);

    const place = (i: number) => Math.floor(i / cols) * 2 * cols + cols + (i % cols);
    const ofGates = Float64Array.from(fused);
    const ofX = new Float64Array(n);
    dy.forEach((value, i) => {
      const s = sigmoid(fused[place(i)]);
      ofX[i] = value * s;
      ofGates[place(i)] = value * x[i] * s * (1 - s);
    });
    expect(relativeError(bench.floats(at, n), ofX)).toBeLessThan(1e-6);
    expect(relativeError(bench.floats(gates, 2 * n), ofGates)).toBeLessThan(1e-6);
  });
});
