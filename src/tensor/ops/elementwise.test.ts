import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import { sigmoid, silu } from '../reference/elementwise.js';
import { add, copy, sigmoidGate, swiglu } from './elementwise.js';

onBothBuilds('elementwise operations', (simd) => {
  it.each([1, 5, 64, 70_001])('adds and copies %i elements', (n) => {
    const bench = new KernelBench(simd);
    const a = random(n, 1);
    const b = random(n, 2);
    const y = bench.alloc(n * 4);
    const z = bench.alloc(n * 4);
    add(bench.program, { a: bench.put(a), b: bench.put(b), y, n });
    copy(bench.program, { src: y, dst: z, bytes: n * 4 });
    bench.run();
    const expected = a.map((value, i) => value + b[i]);
    expect(bench.floats(y, n)).toEqual(expected);
    expect(bench.floats(z, n)).toEqual(expected);
  });

  it('gates heads by the gates that lie between queries, and whole rows by one gate', () => {
    const bench = new KernelBench(simd);
    const [rows, groups, cols] = [400, 2, 18];
    const x = random(rows * groups * cols, 1);
    const fused = random(x.length * 2, 2, 10);
    const y = bench.alloc(x.byteLength);
    const at = bench.put(x);
    const gate = bench.put(fused) + cols * 4;
    sigmoidGate(bench.program, { x: at, gate, y, rows, groups, cols, gateGroupStride: 2 * cols });
    const single = random(rows, 5, 10);
    sigmoidGate(bench.program, { x: at, gate: bench.put(single), y: at, rows, cols: groups * cols, broadcast: true });
    bench.run();
    const gated = Float64Array.from(x, (value, i) => {
      return value * sigmoid(fused[Math.floor(i / cols) * 2 * cols + cols + (i % cols)]);
    });
    expect(relativeError(bench.floats(y, x.length), gated)).toBeLessThan(1e-6);
    const scaled = Float64Array.from(x, (value, i) => value * sigmoid(single[Math.floor(i / groups / cols)]));
    expect(relativeError(bench.floats(at, x.length), scaled)).toBeLessThan(1e-6);
  });

  it('computes e^x within 2 units in the last place over its whole range, and passes NaN on', () => {
    const bench = new KernelBench(simd);
    const n = 100_000;
    const gate = Float32Array.from({ length: n + 4 }, (_, i) => -87 + (i / n) * 175);
    const ones = new Float32Array(gate.length).fill(1);
    gate.set([Number.NaN, 1e30, -1e30, 0], n);
    const at = bench.put(gate);
    const y = bench.alloc(gate.byteLength);
    sigmoidGate(bench.program, { x: bench.put(ones), gate: at, y, rows: 1, cols: gate.length });
    bench.run();
    const actual = bench.floats(y, gate.length);
    // Where e^-x is large, sigmoid is its inverse: this is a test of exp to two roundings.
    const errors = actual.subarray(0, n).map((value, i) => Math.abs(value / sigmoid(gate[i]) - 1));
    expect(errors.every((error) => error < 4e-7)).toBe(true);
    expect(actual[n]).toBeNaN();
    expect(actual.subarray(n + 1)).toEqual(new Float32Array([1, Math.fround(actual[n + 2]), 0.5]));
    expect(actual[n + 2]).toBeLessThan(1e-38);
  });
});

onAllBackends('SwiGLU', (simd, isa) => {
  it.each([
    [1, 1],
    [3, 7],
    [5, 130],
    [2, 9001],
    [40, 16],
    [3, 208],
    [2, 9040],
  ])('computes SwiGLU over [%i, %i] with strides', (tokens, n) => {
    const bench = new KernelBench(simd, undefined, isa);
    const fused = random(tokens * 2 * n, 3, 8);
    const at = bench.put(fused);
    const y = bench.alloc(tokens * n * 4);
    swiglu(bench.program, { gate: at, up: at + n * 4, y, tokens, n, gateStride: 2 * n, upStride: 2 * n });
    bench.run();
    const row = (i: number) => Math.floor(i / n) * 2 * n + (i % n);
    const expected = Float64Array.from({ length: tokens * n }, (_, i) => silu(fused[row(i)]) * fused[row(i) + n]);
    expect(relativeError(bench.floats(y, tokens * n), expected)).toBeLessThan(1e-6);
  });

  it('passes NaN on and takes gates of any size', () => {
    const bench = new KernelBench(simd, undefined, isa);
    const gate = new Float32Array(16).fill(1);
    gate.set([Number.NaN, 1e30, -1e30, 0, -87, 88, -100, Number.POSITIVE_INFINITY]);
    const y = bench.alloc(64);
    const up = bench.put(new Float32Array(16).fill(2));
    swiglu(bench.program, { gate: bench.put(gate), up, y, tokens: 1, n: 16 });
    bench.run();
    const actual = bench.floats(y, 16);
    expect(actual[0]).toBeNaN();
    expect(actual[1]).toBe(Math.fround(2e30));
    expect(actual[2]).toBeLessThanOrEqual(0);
    expect(actual[2]).toBeGreaterThan(-1e-7);
    expect(actual[3]).toBe(0);
    expect(Math.abs(actual[4])).toBeLessThan(1e-30);
    expect(actual[5]).toBe(176);
    expect(Math.abs(actual[6])).toBeLessThan(1e-30);
    expect(actual[7]).toBe(Number.POSITIVE_INFINITY);
    expect(actual[8]).toBeCloseTo(2 * silu(1), 6);
  });
});
