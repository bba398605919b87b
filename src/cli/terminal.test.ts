import { expect, test } from 'vitest';
import { rate } from './bench.js';
import { parseIds } from './logits.js';
import { formatBytes, formatCount, progressLine } from './terminal.js';

test('a progress line never wraps', () => {
  for (const columns of [1, 10, 40, 80, 200]) {
    for (const label of ['loading x', `loading ${'long/'.repeat(60)}model.gguf`]) {
      expect(progressLine(label, 1, 3, columns).length).toBeLessThan(columns);
    }
  }
  expect(progressLine('loading x', 1, 4, 80)).toMatch(/^loading x █{6}░{18} {2}25 %$/);
  expect(progressLine('loading x', 0, 0, 80)).toContain(' 0 %');
});

test('numbers for people', () => {
  expect([0, 999, 1_700_000, 620e6, 4e9].map(formatCount)).toEqual(['0', '999', '1.7 M', '620 M', '4.0 G']);
  expect([512, 3_419_824, 2 ** 32].map(formatBytes)).toEqual(['512 B', '3.3 MiB', '4.0 GiB']);
});

test('rates: the median run, not the mean', () => {
  expect(rate(100, [1000, 100, 500])).toEqual({ median: 200, min: 100, max: 1000 });
  expect(rate(100, [1000, 500])).toEqual({ median: 150, min: 100, max: 200 });
});

test('token ids are read from lists and JSON arrays, and nothing else passes for one', () => {
  expect(parseIds('1,2 3\n4', 'ids')).toEqual([1, 2, 3, 4]);
  expect(parseIds(' [1, 2] ', 'ids')).toEqual([1, 2]);
  for (const bad of ['', '[]', '-1', '1.5', '1e3', '0x10', '1,,x', '99999999999999999999']) {
    expect(() => parseIds(bad, 'ids'), bad).toThrow(/^ids/);
  }
});
