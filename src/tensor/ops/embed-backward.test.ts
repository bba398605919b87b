import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import { embedBackward } from './embed-backward.js';

onBothBuilds('gradient of an embedding', (simd) => {
  it.each([5, 64, 300])('adds rows of %i columns, those of one id together', (cols) => {
    const bench = new KernelBench(simd);
    const ids = new Int32Array([3, 0, 3, -1, 9, 3, 10]);
    const rows = 10;
    const dy = random(ids.length * cols, 1);
    const expected = Float64Array.from(random(rows * cols, 2));
    ids.forEach((id, t) => {
      if (id < 0 || id >= rows) return;
      for (let i = 0; i < cols; i++) expected[id * cols + i] += dy[t * cols + i];
    });
    const dw = bench.put(random(rows * cols, 2));
    const guard = bench.put(new Float32Array(cols).fill(1));
    embedBackward(bench.program, { ids: bench.put(ids), dy: bench.put(dy), dw, tokens: ids.length, rows, cols });
    runBackwards(bench);
    expect(relativeError(bench.floats(dw, rows * cols), expected)).toBeLessThan(1e-6);
    expect(bench.floats(guard, cols).every((value) => value === 1)).toBe(true);
  });
});
