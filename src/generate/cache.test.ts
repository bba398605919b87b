import { expect, it } from 'vitest';
import { fixed, plainFrequencies } from '../models/rope.js';
import { Cache } from './cache.js';
import type { HeldAdapter } from './held-adapter.js';

const rope = fixed(4, false, plainFrequencies(4, 10_000));
const text = (seed: number, length: number) => Array.from({ length }, (_, i) => seed * 1000 + i);

/** Uses a sequence for a text, as an answer does; how much of it was known. */
function use(cache: Cache, tokens: number[], adapter?: HeldAdapter): number {
  using sequence = cache.open(tokens, adapter)!;
  const known = sequence.position;
  sequence.advance(tokens.slice(known));
  return known;
}

it('knows the conversations that it has seen', () => {
  const cache = new Cache('f32', { capacity: 256, sequences: 2 }, rope);
  use(cache, text(1, 50));
  use(cache, text(2, 50));
  expect(use(cache, [...text(1, 50), 7])).toBe(50);
  expect(use(cache, [...text(2, 50), 7])).toBe(50);
});

it('does not give one adapter what another has computed', () => {
  const cache = new Cache('f32', { capacity: 256, sequences: 2 }, rope);
  const [one, two] = [{ name: 'one' }, { name: 'two' }] as HeldAdapter[];
  const tokens = text(1, 50);
  expect(use(cache, tokens)).toBe(0);
  expect(use(cache, tokens, one)).toBe(0);
  expect(use(cache, tokens)).toBe(49);
  expect(use(cache, tokens, one)).toBe(49);
  expect(use(cache, tokens, two)).toBe(0);
});
