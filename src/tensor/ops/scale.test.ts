import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import { scaleColumns } from './scale.js';

onBothBuilds('scales of columns', (simd) => {
  it.each([
    [1, 3],
    [70, 130],
    [3, 40_001],
  ])('multiplies [%i, %i], overwriting and adding', (rows, cols) => {
    const [x, scale, before] = [random(rows * cols, 1), random(cols, 2), random(rows * cols, 3)];
    const bench = new KernelBench(simd);
    const [at, s, y] = [bench.put(x), bench.put(scale), bench.put(before)];
    scaleColumns(bench.program, { x: at, y, scale: s, rows, cols, accumulate: true });
    scaleColumns(bench.program, { x: at, y: at, scale: s, rows, cols });
    bench.run();
    const scaled = x.map((value, i) => value * scale[i % cols]);
    expect(bench.floats(at, x.length)).toEqual(scaled);
    const sums = scaled.map((value, i) => value + before[i]);
    expect(relativeError(bench.floats(y, x.length), sums)).toBeLessThan(1e-6);
  });
});
