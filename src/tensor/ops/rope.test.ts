import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random, relativeError } from '../../../test/sequence-cases.js';
import { rope as reference } from '../reference/rope.js';
import { rmsNorm } from './norm.js';
import { rope } from './rope.js';

onAllBackends('rope', (simd, isa) => {
  it.each([
    [16, 16, false],
    [64, 64, false],
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
      const bench = new KernelBench(simd, undefined, isa);
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
      const shape = { ...tables, tokens, headDim, rotaryDim, interleaved };
      rope(bench.program, { ...shape, parts: [{ x: inPlace, heads }] });
      rope(bench.program, { ...shape, parts: [{ x: from, y, heads, headStride: 2 * headDim }] });
      bench.run();
      expect(relativeError(bench.floats(inPlace, x.length), expected)).toBeLessThan(1e-6);
      expect(relativeError(bench.floats(y, x.length), expected)).toBeLessThan(1e-6);
    },
  );

  it.each([
    [128, 128, false],
    [208, 96, false],
    [20, 6, false],
    [18, 14, true],
  ] as const)(
    'rotates normalised queries and keys as norms and rotations one by one would (%i, %i, %s)',
    (headDim, rotaryDim, interleaved) => {
      const bench = new KernelBench(simd, undefined, isa);
      const [tokens, heads, kvHeads] = [9, 4, 2];
      const stride = (2 * heads + kvHeads) * headDim;
      // Each query has a gate behind it; keys follow.
      const q = bench.put(random(tokens * stride, 1, 3));
      const k = q + 8 * heads * headDim;
      const angles = random((tokens * rotaryDim) / 2, 2, 100);
      const shape = { tokens, headDim, rotaryDim, interleaved };
      const tables = { cos: bench.put(angles.map(Math.cos)), sin: bench.put(angles.map(Math.sin)) };
      const norms = [3, 4].map((seed) => ({
        weight: bench.put(random(headDim, seed)),
        eps: 1e-5 * seed,
        weightOffset: seed - 3,
      }));
      const sizes = [heads, kvHeads].map((n) => tokens * n * headDim);
      const fused = sizes.map((n) => bench.alloc(4 * n));
      const apart = sizes.map((n) => bench.alloc(4 * n));
      const query = { x: q, heads, tokenStride: stride, headStride: 2 * headDim };
      const key = { x: k, heads: kvHeads, tokenStride: stride };
      rope(bench.program, {
        ...tables,
        ...shape,
        parts: [
          { ...query, y: fused[0], norm: norms[0] },
          { ...key, y: fused[1], norm: norms[1] },
        ],
      });
      const place = { rows: tokens, cols: headDim, xStride: stride };
      rmsNorm(bench.program, { ...place, ...norms[0], x: q, y: apart[0], groups: heads, xGroupStride: 2 * headDim });
      rmsNorm(bench.program, { ...place, ...norms[1], x: k, y: apart[1], groups: kvHeads });
      for (const [i, n] of [heads, kvHeads].entries()) {
        rope(bench.program, { ...tables, ...shape, parts: [{ x: apart[i], heads: n }] });
      }
      bench.run();
      for (const [i, n] of sizes.entries()) expect(bench.floats(fused[i], n)).toEqual(bench.floats(apart[i], n));
    },
  );
});
