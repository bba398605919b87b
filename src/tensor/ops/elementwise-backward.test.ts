import { describe, expect, it } from 'vitest';
import { gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import { siluSlope } from '../reference/backward.js';
import { silu } from '../reference/elementwise.js';
import { axpby, swigluBackward } from './elementwise-backward.js';

describe('the slope of silu', () => {
  it('is the one that finite differences show', () => {
    for (const x of [-20, -1.3, 0, 0.4, 9]) {
      expect(siluSlope(x)).toBeCloseTo(gradientOf(([at]) => silu(at), [x])[0], 7);
    }
  });
});

onBothBuilds('gradients of elementwise operations', (simd) => {
  it.each([
    [1, 1],
    [3, 7],
    [5, 130],
    [2, 9001],
  ])('computes those of SwiGLU over [%i, %i] in place', (rows, cols) => {
    const bench = new KernelBench(simd);
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
    const bench = new KernelBench(simd);
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
});
