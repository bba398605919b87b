/** Merges are those of a naive trainer that recounts everything after every merge. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learnMerges } from './learn.js';
import { PieceCounts } from './piece-counts.js';
import { Segmentation } from './segmentation.js';

const utf8 = new TextEncoder();

/** Tokens are letters and strings of letters; ids in order of creation. */
function naive(words: Map<string, number>, letters: string, count: number, minFrequency: number): string[] {
  const vocabulary = [...letters];
  const merges: string[] = [];
  const split = new Map(Array.from(words.keys(), (word) => [word, [...word]]));
  while (vocabulary.length < letters.length + count) {
    const seen = new Map<string, number>();
    for (const [word, tokens] of split) {
      for (let i = 0; i + 1 < tokens.length; i++) {
        const pair = `${tokens[i]} ${tokens[i + 1]}`;
        seen.set(pair, (seen.get(pair) ?? 0) + words.get(word)!);
      }
    }
    const order = (pair: string) => pair.split(' ').map((token) => vocabulary.indexOf(token)) as [number, number];
    const [best] = [...seen].sort(([a, countOfA], [b, countOfB]) => {
      const [[a1, a2], [b1, b2]] = [order(a), order(b)];
      return countOfB - countOfA || a1 - b1 || a2 - b2;
    });
    if (best === undefined || best[1] < minFrequency) break;
    const [left, right] = best[0].split(' ') as [string, string];
    merges.push(best[0]);
    if (!vocabulary.includes(left + right)) vocabulary.push(left + right);
    for (const [word, tokens] of split) {
      const merged: string[] = [];
      for (let i = 0; i < tokens.length; i++) {
        if (tokens[i] === left && tokens[i + 1] === right) {
          merged.push(left + right);
          i++;
        } else merged.push(tokens[i]!);
      }
      split.set(word, merged);
    }
  }
  return merges;
}

function ours(words: Map<string, number>, letters: string, count: number, minFrequency: number): string[] {
  const counts = new PieceCounts();
  for (const [word, times] of words) counts.add(utf8.encode(word), 0, word.length, times);
  const tokens = [...letters];
  const lengths = tokens.map(() => 1);
  const encode = (bytes: Uint8Array, start: number, end: number, out: number[]) => {
    for (let i = start; i < end; i++) out.push(letters.indexOf(String.fromCharCode(bytes[i]!)));
  };
  const pieces = new Segmentation(counts, encode, lengths);
  const merges = learnMerges(pieces, { tokens, lengths, count, minFrequency });
  return merges.map(({ left, right }) => `${tokens[left]} ${tokens[right]}`);
}

describe('learning merges', () => {
  it('takes the most frequent pair, and of equals the one with smaller ids', () => {
    const words = new Map([
      ['low', 5],
      ['lower', 2],
      ['newest', 6],
      ['widest', 3],
    ]);
    expect(ours(words, 'delnorstwi', 4, 1)).toEqual(['e s', 'es t', 'l o', 'lo w']);
  });

  it('agrees with the naive trainer, runs of one letter and tokens made twice included', () => {
    const word = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 14 });
    const corpus = fc.constantFrom('a', 'ab', 'abc', 'abcdefgh').chain((letters) =>
      fc.record({
        letters: fc.constant(letters),
        words: fc.array(fc.tuple(word(letters), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 12 }),
        count: fc.integer({ min: 0, max: 40 }),
        minFrequency: fc.integer({ min: 1, max: 4 }),
      }),
    );
    fc.assert(
      fc.property(corpus, ({ letters, words, count, minFrequency }) => {
        const unique = new Map(words);
        expect(ours(unique, letters, count, minFrequency)).toEqual(naive(unique, letters, count, minFrequency));
      }),
      { numRuns: 500 },
    );
  });
});
