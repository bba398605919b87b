import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, runBackwards } from '../../../test/sequence-cases.js';
import { addNoise, dropout } from './random.js';

onBothBuilds('random masks and noise', (simd) => {
  function dropped(n: number, rate: number, seed: number): Float32Array {
    const bench = new KernelBench(simd);
    const x = bench.put(new Float32Array(n).fill(1));
    dropout(bench.program, { x, y: x, n, rate, seed });
    runBackwards(bench);
    return bench.floats(x, n);
  }

  it('drops at the rate and keeps the mean', () => {
    const n = 100_001;
    const y = dropped(n, 0.3, 5);
    const kept = y.filter((value) => value !== 0);
    expect(kept.every((value) => value === Math.fround(1 / 0.7))).toBe(true);
    // Five standard deviations.
    expect(Math.abs(kept.length / n - 0.7)).toBeLessThan(5 * Math.sqrt(0.21 / n));
    expect(dropped(9, 0, 5)).toEqual(new Float32Array(9).fill(1));
  });

  it('draws the same again, another mask for another seed, and the same for more elements', () => {
    const mask = dropped(70_000, 0.5, 1);
    expect(dropped(70_000, 0.5, 1)).toEqual(mask);
    expect(dropped(1003, 0.5, 1)).toEqual(mask.subarray(0, 1003));
    for (const seed of [2, 3, 1 + 2 ** 32, 2 ** 53 - 1]) {
      const other = dropped(70_000, 0.5, seed);
      for (const shift of [0, 1, 2]) {
        let same = 0;
        for (let i = 0; i < 60_000; i++) if (mask[i] === other[i + shift]) same++;
        expect(Math.abs(same / 60_000 - 0.5)).toBeLessThan(0.011);
      }
    }
  });

  it('adds noise that is uniform', () => {
    const n = 50_003;
    const bench = new KernelBench(simd);
    const x = random(n, 1);
    const y = bench.alloc(n * 4);
    addNoise(bench.program, { x: bench.put(x), y, n, amount: 0.25, seed: 7 });
    bench.run();
    const noise = bench.floats(y, n).map((value, i) => value - x[i]);
    const buckets = new Int32Array(10);
    for (const value of noise) buckets[Math.min(9, Math.floor((value + 0.25) * 20))]++;
    expect(buckets.every((count) => Math.abs(count / n - 0.1) < 0.007)).toBe(true);
    expect(noise.every((value) => Math.abs(value) < 0.250001)).toBe(true);
  });
});
