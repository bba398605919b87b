import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import { rope as reference } from '../reference/rope.js';
import { rope } from './rope.js';

onBothBuilds('rope', (simd) => {
  it.each([
    [16, 16, false],
    [64, 64, true],
    [10, 10, false],
    [10, 10, true],
    [256, 64, false],
    [20, 6, false],
    [20, 14, true],
    [2, 2, true],
  ] as const)(
    'rotates heads of %i in their first %i dimensions (interleaved: %s)',
    (headDim, rotaryDim, interleaved) => {
      const bench = new KernelBench(simd);
      const [tokens, heads] = [70, 3];
      const x = random(tokens * heads * headDim, 1);
      const angles = random((tokens * rotaryDim) / 2, 2, 100);
      const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
      const expected = reference(x, cos, sin, { tokens, heads, headDim, rotaryDim, interleaved });
      // Heads lie apart, as queries do between gates.
      const spread = new Float32Array(x.length * 2).fill(5);
      x.forEach((value, i) => {
        spread[Math.floor(i / headDim) * 2 * headDim + (i % headDim)] = value;
      });
      const tables = { cos: bench.put(cos), sin: bench.put(sin) };
      const inPlace = bench.put(x);
      const from = bench.put(spread);
      const y = bench.alloc(x.byteLength);
      const shape = { ...tables, tokens, heads, headDim, rotaryDim, interleaved };
      rope(bench.program, { ...shape, x: inPlace });
      rope(bench.program, { ...shape, x: from, y, headStride: 2 * headDim });
      bench.run();
      expect(relativeError(bench.floats(inPlace, x.length), expected)).toBeLessThan(1e-6);
      expect(relativeError(bench.floats(y, x.length), expected)).toBeLessThan(1e-6);
    },
  );
});
