import { describe, expect, it } from 'vitest';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { NativeKernel } from '../../../test/native-kernel.js';
import { softmaxRows } from './softmax.js';

interface Case {
  scores: Float32Array;
  rows: number;
  columns: number;
  visible: number;
  group: number;
  top: Float32Array;
  total: Float32Array;
  scale: number;
}

const GAP = 16;
const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0];

function run(kernel: NativeKernel, { scores, rows, columns, visible, group, top, total, scale }: Case) {
  kernel.clear();
  const pitch = columns + GAP;
  const at = {
    scores: kernel.put(scores, 4),
    top: kernel.put(top, 4),
    total: kernel.put(total, 4),
    correction: kernel.put(new Float32Array(rows).fill(-1), 4),
  };
  kernel.call(at.scores, 4 * pitch, rows, columns, visible, group, at.top, at.total, at.correction, bits(scale));
  return {
    weights: kernel.read(at.scores, rows * pitch),
    top: kernel.read(at.top, rows),
    total: kernel.read(at.total, rows),
    correction: kernel.read(at.correction, rows),
  };
}

function reference({ scores, rows, columns, visible, group, top, total, scale }: Case) {
  const pitch = columns + GAP;
  const result = {
    weights: Float64Array.from(scores),
    top: Float64Array.from(top),
    total: Float64Array.from(total),
    correction: new Float64Array(rows).fill(1),
  };
  for (let r = 0; r < rows; r++) {
    const seen = Math.min(columns, Math.max(0, visible + Math.floor(r / group)));
    const row = result.weights.subarray(r * pitch, r * pitch + columns);
    row.fill(0, seen);
    if (seen === 0) continue;
    const highest = row.subarray(0, seen).reduce((most, s) => Math.max(most, s * scale), top[r]);
    for (let i = 0; i < seen; i++) row[i] = Math.exp(row[i] * scale - highest);
    result.correction[r] = Math.exp(top[r] - highest);
    result.total[r] = total[r] * result.correction[r] + row.reduce((sum, w) => sum + w, 0);
    result.top[r] = highest;
  }
  return result;
}

function makeCase(rows: number, columns: number, visible: number, group: number, spread: number): Case {
  let state = rows * columns + visible;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
  const random = (count: number) => new Float32Array(count).map(() => spread * next());
  const top = random(rows).map((v, r) => (r % 3 ? v : -Infinity));
  const total = random(rows).map((v, r) => (r % 3 ? Math.abs(v) : 0));
  return { scores: random(rows * (columns + GAP)), rows, columns, visible, group, top, total, scale: 0.125 };
}

describe.runIf(nativeRuns).each(isas)('softmax, %s', (isa) => {
  it('agrees with the reference for any part of the columns visible', () => {
    using kernel = new NativeKernel(softmaxRows, isa);
    for (const columns of [16, 48, 256]) {
      for (const visible of [-3, 0, 1, 5, 8, 15, 16, 17, 40, 255, 256, 300]) {
        for (const spread of [1, 40, 4000]) {
          const test = makeCase(9, columns, visible, 2, spread);
          const [actual, expected] = [run(kernel, test), reference(test)];
          for (const name of ['weights', 'top', 'total', 'correction'] as const) {
            for (let i = 0; i < expected[name].length; i++) {
              // s is rounded to f32 before the power, which for s of up to 500 is worth 3e-5.
              const tolerance = 1e-6 * Math.max(1, spread / 10) * Math.abs(expected[name][i]) + 1e-36;
              if (expected[name][i] === actual[name][i]) continue;
              expect(Math.abs(actual[name][i] - expected[name][i]), `${name} ${i}`).toBeLessThan(tolerance);
            }
          }
        }
      }
    }
  });

  it('does not read what is hidden and gives a row the same bits whatever rows come with it', () => {
    using kernel = new NativeKernel(softmaxRows, isa);
    const test = makeCase(12, 64, 20, 3, 30);
    const together = run(kernel, test);
    for (let r = 0; r < 12; r++) {
      const scores = test.scores.slice(r * 80, (r + 1) * 80);
      scores.fill(NaN, 20 + Math.floor(r / 3));
      const [top, total] = [test.top.slice(r, r + 1), test.total.slice(r, r + 1)];
      const alone = run(kernel, { ...test, scores, rows: 1, visible: 20 + Math.floor(r / 3), top, total });
      expect(alone.weights.subarray(0, 64)).toEqual(together.weights.subarray(r * 80, r * 80 + 64));
      expect(alone.top[0]).toBe(together.top[r]);
      expect(alone.total[0]).toBe(together.total[r]);
      expect(alone.correction[0]).toBe(together.correction[r]);
    }
  });

  it('keeps NaN and gives infinitely small scores no weight', () => {
    using kernel = new NativeKernel(softmaxRows, isa);
    const scores = new Float32Array(16 + GAP).fill(-Infinity);
    scores[3] = 2;
    const shared = { rows: 1, columns: 16, visible: 16, group: 1, scale: 1, total: Float32Array.of(0) };
    const one = run(kernel, { ...shared, scores, top: Float32Array.of(-Infinity) });
    expect(one.weights.subarray(0, 16)).toEqual(new Float32Array(16).map((_, i) => (i === 3 ? 1 : 0)));
    expect([one.top[0], one.total[0], one.correction[0]]).toEqual([2, 1, 0]);
    scores[5] = NaN;
    const broken = run(kernel, { ...shared, scores, top: Float32Array.of(-Infinity) });
    expect(broken.weights[5]).toBeNaN();
    expect(broken.total[0]).toBeNaN();
  });
});
