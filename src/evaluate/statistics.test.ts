import { describe, expect, it } from 'vitest';
import { paired, ratio, wilson } from './statistics.js';

describe('intervals', () => {
  it("are Wilson's for proportions", () => {
    // Values of the formula as statistical packages print them.
    const [low, high] = wilson(8, 10);
    expect([low, high].map((value) => value.toFixed(4))).toEqual(['0.4902', '0.9433']);
    expect(wilson(0, 10)[0]).toBe(0);
    expect(wilson(0, 10)[1]).toBeCloseTo(0.2775, 4);
    expect(wilson(10, 10)[1]).toBeCloseTo(1, 12);
    expect(wilson(0, 0)).toEqual([0, 1]);
  });

  it('of a ratio shrink with the number of items', () => {
    const { value, interval } = ratio([1, 3], [1, 1]);
    expect(value).toBe(2);
    // Deviations of -1 and 1: a standard error of 1.
    expect(interval![1] - 2).toBeCloseTo(1.96, 2);
    expect(ratio([4], [2])).toEqual({ value: 2 });
    const many = ratio(
      Array.from({ length: 100 }, (_, i) => 1 + (i % 2) * 2),
      new Array<number>(100).fill(1),
    );
    expect(many.interval![1] - many.value).toBeCloseTo(0.197, 3);
  });
});

describe('paired proportions', () => {
  it('have the exact p of McNemar', () => {
    // 2 · (1 + 10) / 2^10
    expect(paired(9, 1, 50).p).toBeCloseTo(22 / 1024, 12);
    expect(paired(5, 5, 50).p).toBe(1);
    expect(paired(0, 0, 50).p).toBe(1);
    expect(paired(400, 300, 2000).p).toBeCloseTo(0.000178476, 8);
  });

  it('differ by what was gained and lost', () => {
    const { difference, interval } = paired(9, 1, 50);
    expect(difference).toBeCloseTo(0.16);
    expect(interval[0]).toBeGreaterThan(0);
    expect(interval[1]).toBeLessThan(0.32);
    expect(paired(1, 9, 50).interval[1]).toBeCloseTo(-interval[0], 12);
  });
});
