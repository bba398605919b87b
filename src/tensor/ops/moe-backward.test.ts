import { expect, it } from 'vitest';
import { dot, gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import * as reference from '../reference/moe.js';
import { combine, gather, route } from './moe.js';
import { combineBackward, gatherBackward, routeBackward } from './moe-backward.js';

it.each([false, true])(
  'the reference of routing has the gradients of finite differences (normalised: %s)',
  (normalize) => {
    // Apart from each other, so that no step changes the choice.
    const logits = Float32Array.from([0.1, 1.9, -0.7, 1.2, 0.6, -2, 0, 2.4, 1, -1.1]);
    const [experts, topK] = [5, 2];
    const dWeights = random(4, 3);
    const { ids } = reference.route(logits, experts, topK, normalize);
    const gradient = reference.routeBackward(logits, ids, dWeights, experts, topK, normalize, 2.5);
    const loss = (at: ArrayLike<number>) => 2.5 * dot(reference.route(at, experts, topK, normalize).weights, dWeights);
    expect(relativeError(gradient, gradientOf(loss, logits))).toBeLessThan(1e-6);
  },
);

onBothBuilds('gradients of a mixture of experts', (simd) => {
  it.each([
    [1, 8, 2, 64],
    [37, 5, 5, 70],
    [100, 128, 8, 33],
    [3, 512, 10, 4100],
  ])('computes those of %i tokens over %i experts', (tokens, experts, topK, cols) => {
    for (const normalize of [false, true]) {
      const bench = new KernelBench(simd);
      const n = tokens * topK;
      const empty = (length: number) => bench.put(new Float32Array(length).fill(Number.NaN));
      const [logits, dOut, y, before] = [tokens * experts, tokens * (cols + 3), n * cols, tokens * (cols + 1)].map(
        (length, seed) => random(length, seed + 1, 2),
      );
      const shape = { tokens, experts, topK, cols, normalize, scale: 1.5 };
      const at = {
        ...{ logits: bench.put(logits), dOut: bench.put(dOut), y: bench.put(y), dx: bench.put(before) },
        ...{ ids: bench.alloc(n * 4), order: bench.alloc(n * 4), inverse: bench.alloc(n * 4) },
        ...{ weights: bench.alloc(n * 4), offsets: bench.alloc((experts + 1) * 4) },
        ...{ dy: empty(n * cols), dWeights: empty(n), dLogits: empty(tokens * experts) },
      };
      const p = bench.program;
      route(p, { ...at, ...shape });
      gather(p, { ...at, ...shape, x: at.y, xs: bench.alloc(n * cols * 4) });
      bench.run();
      combineBackward(p, { ...at, ...shape, dOutStride: cols + 3 });
      routeBackward(p, { ...at, ...shape });
      gatherBackward(p, { accumulate: true, ...at, ...shape, dxs: at.y, dxStride: cols + 1 });
      runBackwards(bench);

      const { ids, weights } = reference.route(logits, experts, topK, normalize);
      const places = new Int32Array(bench.memory.buffer, at.inverse, n);
      const row = (values: Float32Array, place: number, stride = cols) =>
        values.subarray(place * stride, place * stride + cols);
      const dWeights = Array.from(places, (place, i) => dot(row(dOut, Math.floor(i / topK), cols + 3), row(y, place)));
      expect(relativeError(bench.floats(at.dWeights, n), dWeights)).toBeLessThan(1e-5);
      const dLogits = reference.routeBackward(logits, ids, dWeights, experts, topK, normalize, 1.5);
      expect(relativeError(bench.floats(at.dLogits, dLogits.length), dLogits)).toBeLessThan(2e-5);
      const dy = bench.floats(at.dy, n * cols);
      const dx = bench.floats(at.dx, before.length);
      for (let t = 0; t < tokens; t++) {
        const slots = Array.from({ length: topK }, (_, k) => t * topK + k);
        for (const i of slots) {
          const expected = Array.from(row(dOut, t, cols + 3), (value) => value * 1.5 * weights[i]);
          expect(relativeError(row(dy, places[i]), expected)).toBeLessThan(1e-5);
        }
        const sums = Array.from(row(before, t, cols + 1), (value, c) =>
          slots.reduce((sum, i) => sum + y[places[i] * cols + c], value),
        );
        expect(relativeError(row(dx, t, cols + 1), sums)).toBeLessThan(1e-5);
        expect(dx[t * (cols + 1) + cols]).toBe(before[t * (cols + 1) + cols]);
      }
    }
  });

  it('undoes combine: the gradients of a small mixture are those of finite differences', () => {
    const [tokens, experts, topK, cols] = [3, 4, 2, 5];
    const [logits, x, dOut] = [random(tokens * experts, 8, 3), random(tokens * cols, 2), random(tokens * cols, 3)];
    const shape = { tokens, experts, topK, cols, normalize: true };
    // Every expert multiplies its rows by its number + 1.
    const forward = (scores: ArrayLike<number>, rows: ArrayLike<number>) => {
      const { ids, weights } = reference.route(scores, experts, topK, true);
      return Array.from({ length: tokens * cols }, (_, i) => {
        const t = Math.floor(i / cols);
        const factor = [0, 1].reduce((sum, k) => sum + weights[t * topK + k] * (ids[t * topK + k] + 1), 0);
        return factor * rows[i];
      });
    };
    const bench = new KernelBench(simd);
    const p = bench.program;
    const n = tokens * topK;
    const floats = (length: number) => bench.put(new Float32Array(length));
    const at = {
      ...{ logits: bench.put(logits), x: bench.put(x), dOut: bench.put(dOut), out: floats(tokens * cols) },
      ...{ ids: floats(n), order: floats(n), inverse: floats(n), offsets: floats(experts + 1), weights: floats(n) },
      ...{ xs: floats(n * cols), dWeights: floats(n), dLogits: floats(tokens * experts), dx: floats(tokens * cols) },
    };
    const scaleRows = (pointer: number) => {
      const rows = new Float32Array(bench.memory.buffer, pointer, n * cols);
      const offsets = new Int32Array(bench.memory.buffer, at.offsets, experts + 1);
      rows.forEach((value, i) => {
        rows[i] = value * (offsets.findLastIndex((first) => first <= Math.floor(i / cols)) + 1);
      });
    };
    route(p, { ...at, ...shape });
    gather(p, { ...at, ...shape });
    bench.run();
    scaleRows(at.xs);
    combine(p, { ...at, ...shape, y: at.xs });
    combineBackward(p, { ...at, ...shape, y: at.xs, dy: at.xs });
    routeBackward(p, { ...at, ...shape });
    bench.run();
    scaleRows(at.xs);
    gatherBackward(p, { accumulate: true, ...at, ...shape, dxs: at.xs });
    bench.run();
    expect(relativeError(bench.floats(at.out, tokens * cols), forward(logits, x))).toBeLessThan(1e-5);
    const ofLogits = gradientOf((scores) => dot(forward(scores, x), dOut), logits);
    const ofX = gradientOf((rows) => dot(forward(logits, rows), dOut), x);
    expect(relativeError(bench.floats(at.dLogits, ofLogits.length), ofLogits)).toBeLessThan(1e-4);
    expect(relativeError(bench.floats(at.dx, ofX.length), ofX)).toBeLessThan(1e-4);
  });
});
