import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import * as reference from '../reference/moe.js';
import { combine, gather, route } from './moe.js';

onBothBuilds('mixture of experts', (simd) => {
  it.each([
    [1, 8, 2, 64],
    [37, 5, 5, 70],
    [100, 128, 8, 33],
    [3, 512, 10, 4100],
  ])('routes, gathers and combines %i tokens over %i experts', (tokens, experts, topK, cols) => {
    for (const normalize of [false, true]) {
      const bench = new KernelBench(simd);
      // Few distinct logits, so that ties are common.
      const logits = random(tokens * experts, 1, 6).map(Math.round);
      const x = random(tokens * cols, 2);
      const n = tokens * topK;
      const ints = () => bench.alloc(n * 4);
      const [ids, weights, order, inverse] = [ints(), ints(), ints(), ints()];
      const offsets = bench.alloc((experts + 1) * 4);
      const xs = bench.alloc(n * cols * 4);
      const before = random(tokens * cols, 3);
      const out = bench.put(before);
      const p = bench.program;
      route(p, { logits: bench.put(logits), tokens, experts, topK, normalize, ids, weights });
      gather(p, { ids, tokens, topK, experts, offsets, order, inverse, x: bench.put(x), xs, cols });
      combine(p, { y: xs, inverse, weights, out, tokens, topK, cols, accumulate: normalize });
      bench.run();
      const read = (pointer: number, length: number) =>
        Array.from(new Int32Array(bench.memory.buffer, pointer, length));
      const expected = reference.route(logits, experts, topK, normalize);
      expect(read(ids, n)).toEqual(expected.ids);
      expect(relativeError(bench.floats(weights, n), expected.weights)).toBeLessThan(1e-6);
      const sorted = Array.from({ length: n }, (_, i) => i).sort((a, b) => expected.ids[a] - expected.ids[b] || a - b);
      expect(read(order, n)).toEqual(sorted);
      expect(read(inverse, n).map((place) => sorted[place])).toEqual(sorted.map((_, i) => i));
      const starts = Array.from({ length: experts + 1 }, (_, e) => expected.ids.filter((id) => id < e).length);
      expect(read(offsets, experts + 1)).toEqual(starts);
      const copied = bench.floats(xs, n * cols);
      sorted.forEach((assignment, row) => {
        const token = Math.floor(assignment / topK);
        expect(copied.subarray(row * cols, (row + 1) * cols)).toEqual(x.subarray(token * cols, (token + 1) * cols));
      });
      // Every expert is the identity here, so a token's answer is its row times the sum of its weights.
      const total = (t: number) => expected.weights.slice(t * topK, (t + 1) * topK).reduce((a, b) => a + b);
      const answer = Array.from(x, (value, i) => value * total(Math.floor(i / cols)) + (normalize ? before[i] : 0));
      expect(relativeError(bench.floats(out, answer.length), answer)).toBeLessThan(2e-6);
    }
  });
});
