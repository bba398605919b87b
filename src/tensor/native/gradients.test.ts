import { describe, expect, it } from 'vitest';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { NativeKernel } from '../../../test/native-kernel.js';
import { random, relativeError } from '../../../test/sequence-cases.js';
import { scoreGradients } from './gradients.js';
import { GRADIENT_QUERIES } from './kernels.js';

describe.runIf(nativeRuns).each(isas)('gradients of scores (%s)', (isa) => {
  it.each([
    [64, true],
    [17, true],
    [1, true],
    [64, false],
    [5, false],
  ])('computes %i keys, on the diagonal: %s', (keys, diagonal) => {
    using kernel = new NativeKernel(scoreGradients, isa);
    const n = keys * GRADIENT_QUERIES;
    const [scores, gradients] = [random(n, 1, 30), random(n, 2)];
    const [lse, mean] = [random(GRADIENT_QUERIES, 3, 5).map((x) => x + 30), random(GRADIENT_QUERIES, 4)];
    // A query that is none.
    lse[63] = 3.4e38;
    const behind = random(64, 5);
    const at = [scores, gradients, lse, mean].map((values) => kernel.put(Float32Array.of(...values, ...behind)));
    kernel.call(...at, keys, diagonal ? 1 : 0);
    const weights = Float64Array.from(scores, (score, i) => {
      const [key, query] = [Math.floor(i / 64), i % 64];
      return diagonal && query < key ? 0 : Math.exp(score - lse[query]);
    });
    const expected = weights.map((weight, i) => weight * (gradients[i] - mean[i % 64]));
    const actual = kernel.read(at[0], n);
    expect(relativeError(actual, weights)).toBeLessThan(5e-6);
    expect(actual.every((weight, i) => weights[i] > 1e-35 || weight === 0)).toBe(true);
    expect(relativeError(kernel.read(at[1], n), expected)).toBeLessThan(5e-6);
    for (const pointer of at.slice(0, 2)) expect(kernel.read(pointer + 4 * n, 64)).toEqual(behind);
  });
});
