import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random, relativeError } from '../../../test/sequence-cases.js';
import * as reference from '../reference/norm.js';
import { gatedNorm, rmsNorm } from './norm.js';

onAllBackends('norms', (simd, isa) => {
  it.each([1, 3, 4, 16, 17, 64, 130, 208, 5000])('normalises rows of %i columns', (cols) => {
    const bench = new KernelBench(simd, undefined, isa);
    const rows = 9;
    const x = random(rows * cols, 1, 10);
    const weight = random(cols, 2);
    const y = bench.alloc(x.byteLength);
    rmsNorm(bench.program, { x: bench.put(x), weight: bench.put(weight), y, rows, cols, eps: 1e-6, weightOffset: 1 });
    bench.run();
    expect(relativeError(bench.floats(y, x.length), reference.rmsNorm(x, weight, 1e-6, 1))).toBeLessThan(1e-6);
  });

  it('keeps rows of zeros and of tiny numbers finite', () => {
    const bench = new KernelBench(simd, undefined, isa);
    const x = new Float32Array(16).fill(1e-20, 8);
    const y = bench.alloc(64);
    const weight = bench.put(new Float32Array(8).fill(2));
    rmsNorm(bench.program, { x: bench.put(x), weight, y, rows: 2, cols: 8, eps: 1e-6 });
    bench.run();
    const expected = reference.rmsNorm(x, new Float32Array(8).fill(2), 1e-6);
    bench.floats(y, 16).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 20);
    });
  });

  it.each([20, 48])('normalises heads of %i that lie between gates, in place and to a packed result', (cols) => {
    const [rows, groups] = [300, 3];
    const packed = random(rows * groups * cols, 3);
    const weight = random(cols, 4);
    const spread = new Float32Array(packed.length * 2).fill(7);
    packed.forEach((value, i) => {
      spread[Math.floor(i / cols) * 2 * cols + (i % cols)] = value;
    });
    const expected = reference.rmsNorm(packed, weight, 1e-5);
    const bench = new KernelBench(simd, undefined, isa);
    const x = bench.put(spread);
    const y = bench.alloc(packed.byteLength);
    const shape = { x, weight: bench.put(weight), rows, groups, cols, xGroupStride: 2 * cols, eps: 1e-5 };
    rmsNorm(bench.program, { ...shape, y });
    rmsNorm(bench.program, { ...shape, y: x, yGroupStride: 2 * cols });
    bench.run();
    expect(relativeError(bench.floats(y, packed.length), expected)).toBeLessThan(1e-6);
    const after = bench.floats(x, spread.length);
    expect(
      relativeError(
        after.filter((_, i) => i % (2 * cols) < cols),
        expected,
      ),
    ).toBeLessThan(1e-6);
    expect(after.every((value, i) => i % (2 * cols) < cols || value === 7)).toBe(true);
  });

  it.each([2, 16, 30, 128])('gates heads of %i columns', (cols) => {
    const bench = new KernelBench(simd, undefined, isa);
    const [rows, groups] = [7, 3];
    const x = random(rows * groups * cols, 1);
    const gate = random(x.length, 2, 20);
    const weight = random(cols, 3);
    const y = bench.alloc(x.byteLength);
    const at = { x: bench.put(x), gate: bench.put(gate), weight: bench.put(weight), y };
    gatedNorm(bench.program, { ...at, rows, groups, cols, eps: 1e-6 });
    bench.run();
    expect(relativeError(bench.floats(y, x.length), reference.gatedNorm(x, gate, weight, 1e-6))).toBeLessThan(1e-6);
  });
});
