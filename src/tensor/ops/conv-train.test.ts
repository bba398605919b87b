import { expect, it } from 'vitest';
import { dot, gradientOf } from '../../../test/finite-differences.js';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError, runBackwards } from '../../../test/sequence-cases.js';
import { conv as forward } from '../reference/conv.js';
import { convBackward as backward } from '../reference/delta-backward.js';
import { convBackward, convTrain } from './conv-train.js';

const zeros = (kernel: number, channels: number) => new Float32Array((kernel - 1) * channels);

it('the reference of gradients through the convolution is what finite differences show', () => {
  const [channels, kernel] = [3, 4];
  const [x, weight, dy] = [random(7 * channels, 1, 2), random(channels * kernel, 2), random(7 * channels, 3)];
  const { dx, dw } = backward(x, weight, dy, channels);
  const history = zeros(kernel, channels);
  const ofX = gradientOf((at) => dot(forward(at, history, weight, channels), dy), x);
  const ofWeight = gradientOf((at) => dot(forward(x, history, at, channels), dy), weight);
  expect(relativeError(dx, ofX)).toBeLessThan(1e-6);
  expect(relativeError(dw, ofWeight)).toBeLessThan(1e-6);
});

onBothBuilds('convolution in training', (simd) => {
  it.each([
    [4, 8],
    [4, 70],
    [2, 5],
    [1, 9],
    [7, 20],
    [4, 200],
  ])('kernel %i, %i channels: outputs and gradients of several runs', (kernel, channels) => {
    const bench = new KernelBench(simd);
    const lengths = [5, 1, 30, 2, 40];
    const rows = lengths.reduce((a, b) => a + b);
    const runs = lengths.map((n, i) => [lengths.slice(0, i).reduce((a, b) => a + b, 0), n]);
    const [x, weight, dy] = [random(rows * channels, 1, 2), random(channels * kernel, 2), random(rows * channels, 3)];
    const before = random(rows * channels, 4);
    const [y, dx, added] = [bench.alloc(x.byteLength), bench.alloc(x.byteLength), bench.put(before)];
    const [dw, ignored] = [bench.put(new Float32Array(weight.length).fill(0.5)), 0];
    const table = bench.put(Int32Array.from(runs.flat()));
    const operands = { x: bench.put(x), weight: bench.put(weight), channels, kernel, runs: table, runCount: 5 };
    const at = bench.put(dy);
    convTrain(bench.program, { ...operands, y });
    convBackward(bench.program, { ...operands, dy: at, dx, dw });
    convBackward(bench.program, { ...operands, dy: at, dx: added, dw: ignored, accumulate: true });
    runBackwards(bench);
    const expected = { y: [] as number[], dx: [] as number[], dw: new Float64Array(weight.length).fill(0.5) };
    for (const [row, n] of runs) {
      const [from, to] = [row * channels, (row + n) * channels];
      const part = x.slice(from, to);
      const gradient = backward(part, weight, dy.slice(from, to), channels);
      expected.y.push(...forward(part, zeros(kernel, channels), weight, channels));
      expected.dx.push(...gradient.dx);
      gradient.dw.forEach((value, i) => {
        expected.dw[i] += value;
      });
    }
    expect(relativeError(bench.floats(y, x.length), expected.y)).toBeLessThan(2e-6);
    expect(relativeError(bench.floats(dx, x.length), expected.dx)).toBeLessThan(2e-6);
    expect(relativeError(bench.floats(dw, weight.length), expected.dw)).toBeLessThan(2e-6);
    const total = expected.dx.map((value, i) => value + before[i]);
    expect(relativeError(bench.floats(added, x.length), total)).toBeLessThan(2e-6);
  });
});
