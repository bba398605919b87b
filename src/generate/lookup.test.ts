import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Lookup } from './lookup.js';

const draft = (tokens: number[], limit: number) => new Lookup(tokens).draft(limit);

it('proposes what followed the last tokens before', () => {
  expect(draft([1, 2, 3, 4, 5, 9, 2, 3], 3)).toEqual([4, 5, 9]);
  expect(draft([1, 2, 3, 4], 5)).toEqual([]);
  expect(draft([7, 1, 7], 5)).toEqual([]); // one token is no match
});

it('prefers the longer match, then the later one', () => {
  expect(draft([1, 2, 3, 10, 8, 2, 3, 20, 1, 2, 3], 1)).toEqual([10]);
  expect(draft([1, 2, 3, 10, 1, 2, 3, 20, 1, 2, 3], 1)).toEqual([20]);
});

it('stays with an occurrence that goes on agreeing', () => {
  const song = Array.from({ length: 20 }, (_, i) => 100 + i);
  const chorus = song.slice(8, 14);
  const lookup = new Lookup([...song, 1, ...chorus, 2, ...song.slice(0, 12)]);
  expect(lookup.matched).toBe(12);
  expect(lookup.draft(8)).toEqual(song.slice(12));
  lookup.push(song[12]);
  expect(lookup.next).toBe(song[13]);
});

it('goes round in a loop that reaches the end', () => {
  expect(draft([5, 1, 2, 3, 1, 2, 3], 7)).toEqual([1, 2, 3, 1, 2, 3, 1]);
  expect(draft([4, 4, 4], 4)).toEqual([4, 4, 4, 4]);
});

it('never proposes more than asked, nor anything but a true continuation', () => {
  const texts = fc.oneof(
    fc.array(fc.nat(3), { maxLength: 60 }),
    fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 2, maxLength: 6 }).map((a) => [...a, 9, ...a]),
  );
  fc.assert(
    fc.property(texts, fc.nat(15), (tokens, limit) => {
      const lookup = new Lookup(tokens);
      const found = lookup.draft(limit);
      expect(found.length === limit || found.length === 0).toBe(true);
      const size = tokens.length;
      const all = [...tokens, ...found];
      const sources = [...all.keys()].filter((end) => {
        if (end >= size - 1 || end < 1) return false;
        for (let i = 0; i < Math.max(2, lookup.matched); i++)
          if (tokens[end - i] !== tokens[size - 1 - i]) return false;
        return found.every((id, i) => id === all[end + 1 + i]);
      });
      if (found.length > 0) expect(sources.length).toBeGreaterThan(0);
      const again = tokens.some(
        (id, i) => i > 0 && i < size - 1 && id === tokens[size - 1] && tokens[i - 1] === tokens[size - 2],
      );
      if (!again) expect(found).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

it('finds what it has seen thousands of tokens ago', () => {
  const tokens = Array.from({ length: 6000 }, (_, i) => (i * 7919) % 6007);
  const lookup = new Lookup([...tokens, ...tokens.slice(5000, 5020)]);
  expect(lookup.matched).toBe(16);
  expect(lookup.draft(10)).toEqual(tokens.slice(5020, 5030));
});
