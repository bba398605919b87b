import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import { conv as reference } from '../reference/conv.js';
import { conv } from './conv.js';

onBothBuilds('conv', (simd) => {
  it.each([
    [1, 4, 64],
    [2, 4, 70],
    [3, 4, 5],
    [7, 4, 300],
    [16, 4, 33],
    [40, 4, 8],
    [5, 2, 9],
    [5, 1, 9],
    [9, 7, 20],
  ])('gives the same for calls of %i tokens (kernel %i, %i channels)', (calls, kernel, channels) => {
    const bench = new KernelBench(simd);
    const [tokens, stride] = [40, channels + 3];
    const x = random(tokens * channels, 1, 3);
    const weight = random(channels * kernel, 2);
    const history = random((kernel - 1) * channels, 3, 3);
    const spread = new Float32Array(tokens * stride);
    for (let t = 0; t < tokens; t++) spread.set(x.subarray(t * channels, (t + 1) * channels), t * stride);
    const at = {
      x: bench.put(spread),
      weight: bench.put(weight),
      state: bench.put(history),
      y: bench.alloc(x.byteLength),
    };
    for (let t = 0; t < tokens; t += calls) {
      const part = { x: at.x + t * stride * 4, y: at.y + t * channels * 4, tokens: Math.min(calls, tokens - t) };
      conv(bench.program, { ...at, ...part, channels, kernel, xStride: stride });
    }
    bench.run();
    const expected = reference(x, history, weight, channels);
    expect(relativeError(bench.floats(at.y, x.length), expected)).toBeLessThan(1e-6);
    expect(bench.floats(at.state, history.length)).toEqual(x.slice(x.length - history.length));
  });
});
