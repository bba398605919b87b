import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import { dotColumns, sumColumns, sumColumnsWork, sumSquares, sumSquaresPieces } from './sums.js';

onBothBuilds('sums', (simd) => {
  it.each([
    [1, 1],
    [5, 3],
    [128, 40],
    [130, 513],
    [1001, 33],
  ])('sums columns of [%i, %i], and of products, in rows that lie apart', (rows, cols) => {
    const stride = cols + 3;
    const x = random(rows * stride, 1);
    const other = random(rows * cols, 2);
    const before = random(cols, 3);
    const sums = new Float64Array(cols);
    const dots = Float64Array.from(before);
    for (let i = 0; i < rows * cols; i++) {
      const value = x[Math.floor(i / cols) * stride + (i % cols)];
      sums[i % cols] += value;
      dots[i % cols] += value * other[i];
    }
    const bench = new KernelBench(simd);
    const at = bench.put(x);
    const y = bench.put(new Float32Array(cols).fill(Number.NaN));
    const z = bench.put(before);
    const shape = { rows, cols, work: bench.alloc(sumColumnsWork(rows, cols)) };
    sumColumns(bench.program, { ...shape, x: at, y, xStride: stride });
    dotColumns(bench.program, { ...shape, a: at, b: bench.put(other), y: z, aStride: stride, accumulate: true });
    runBackwards(bench);
    expect(relativeError(bench.floats(y, cols), sums)).toBeLessThan(2e-6);
    expect(relativeError(bench.floats(z, cols), dots)).toBeLessThan(2e-6);
  });

  it.each([1, 7, 70_001, 200_000])('adds squares of %i elements up', (n) => {
    const bench = new KernelBench(simd);
    const x = random(n, n, 1e-3);
    const pieces = sumSquaresPieces(n);
    const out = bench.alloc(pieces * 8);
    sumSquares(bench.program, { x: bench.put(x), n, out });
    bench.run();
    const total = new Float64Array(bench.memory.buffer, out, pieces).reduce((sum, part) => sum + part, 0);
    expect(total / x.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 6);
  });
});
