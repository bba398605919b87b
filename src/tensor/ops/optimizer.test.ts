import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import * as reference from '../reference/optimizer.js';
import { adamw } from './optimizer.js';

const SETTINGS = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 };

onBothBuilds('AdamW', (simd) => {
  /** Weights after ten steps, by the kernel and by the reference, and the moments of the kernel. */
  function tenSteps(n: number, moments: 'f32' | 'bf16') {
    const bench = new KernelBench(simd);
    const initial = random(n, 1);
    const bytes = moments === 'f32' ? 4 : 2;
    const [w, m, v] = [bench.put(initial), bench.put(new Uint8Array(n * bytes)), bench.put(new Uint8Array(n * bytes))];
    const expected = Float64Array.from(initial);
    const [first, second] = [new Float64Array(n), new Float64Array(n)];
    for (let step = 1; step <= 10; step++) {
      const g = random(n, 100 + step, 8);
      const gradScale = 0.25;
      adamw(bench.program, { w, g: bench.put(g), m, v, n, ...SETTINGS, step, gradScale, moments });
      bench.run();
      reference.adamw(
        expected,
        g.map((value) => value * gradScale),
        first,
        second,
        step,
        SETTINGS,
      );
    }
    return { bench, w: bench.floats(w, n), m, v, expected, first, second };
  }

  it.each([1, 7, 64, 20_001])('follows the reference for ten steps of %i weights', (n) => {
    const { bench, w, m, v, expected, first, second } = tenSteps(n, 'f32');
    expect(relativeError(w, expected)).toBeLessThan(1e-6);
    expect(relativeError(bench.floats(m, n), first)).toBeLessThan(1e-6);
    expect(relativeError(bench.floats(v, n), second)).toBeLessThan(1e-6);
  });

  it.each([1, 7, 20_001])('keeps moments of %i weights in half the memory, within their precision', (n) => {
    const { w, expected } = tenSteps(n, 'bf16');
    expect(relativeError(w, expected)).toBeLessThan(2e-3);
  });

  it('rounds moments to the nearest of the halves, ties to even', () => {
    const bench = new KernelBench(simd);
    const ulp = 2 ** -7;
    const g = new Float32Array([1 + ulp / 2, 1 + (3 * ulp) / 2, 1 + ulp * 0.51, -1 - ulp * 0.49, 3]);
    const zeros = new Uint8Array(10);
    const [w, m, v] = [bench.put(new Float32Array(5)), bench.put(zeros), bench.put(zeros)];
    const settings = { ...SETTINGS, beta1: 0, beta2: 0, step: 1, gradScale: 1, moments: 'bf16' as const };
    adamw(bench.program, { w, g: bench.put(g), m, v, n: 5, ...settings });
    bench.run();
    const bits = new Uint16Array(bench.memory.buffer, m, 5);
    const values = new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);
    expect([...values]).toEqual([1, 1 + 2 * ulp, 1 + ulp, -1, 3]);
  });
});
