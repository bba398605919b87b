/** Who shares what, without any keys and values: the cache has no layers here. */
import { expect, it, vi } from 'vitest';
import { fixed, plainFrequencies } from '../models/rope.js';
import { CountingArena } from '../tensor/arena.js';
import { Cache, type CacheSize } from './cache.js';
import type { HeldAdapter } from './held-adapter.js';
import type { Sequence } from './sequence.js';

const rope = fixed(4, false, plainFrequencies(4, 10_000));
const text = (seed: number, length: number) => Array.from({ length }, (_, i) => seed * 10_000 + i);
const PAGE = 128;

function create(size: Partial<CacheSize> = {}): Cache {
  return new Cache('f32', { capacity: 2048, sequences: 4, ...size }, rope);
}

/** Computes what a sequence lacks of a text, as a prompt's chunks do. */
function compute(sequence: Sequence, tokens: readonly number[]): void {
  while (sequence.position < tokens.length) {
    const end = Math.max(sequence.stepEnd(256), sequence.position + 1);
    const some = tokens.slice(sequence.position, Math.min(end, tokens.length));
    expect(sequence.reserve(some.length)).toBe(true);
    sequence.advance(some);
  }
}

/** Uses a sequence for a text, as an answer does; how much of it was known. */
function use(cache: Cache, tokens: readonly number[], adapter?: HeldAdapter): number {
  using sequence = cache.open(tokens, adapter)!;
  const known = sequence.position;
  compute(sequence, tokens);
  return known;
}

it('goes on with conversations, from where they are taken back, and keeps both ways', () => {
  const cache = create();
  const first = [...text(1, 300), ...text(2, 40)];
  expect(use(cache, first)).toBe(0);
  expect(use(cache, [...first, ...text(3, 50)])).toBe(340);
  expect(use(cache, [...text(1, 300), ...text(4, 50)])).toBe(300);
  expect(use(cache, [...first, ...text(3, 50), 1])).toBe(390);
  expect(use(cache, first)).toBe(339);
  expect(cache.pages.hits).toBe(340 + 300 + 390 + 339);
});

it('shares whole pages among sequences that run at the same time, and copies part of one', () => {
  const cache = create();
  const system = text(1, 300);
  using one = cache.open([...system, 1])!;
  compute(one, [...system, 1]);
  using two = cache.open([...system, 2])!;
  expect(two.position).toBe(300);
  expect(two.pages(256)).toEqual(one.pages(256));
  expect(two.pages(300)[2]).not.toBe(one.pages(300)[2]);
  expect(cache.pages).toMatchObject({ size: PAGE, used: 4, cached: 0 });
  one[Symbol.dispose]();
  expect(cache.pages).toMatchObject({ used: 3, cached: 1 });
  two[Symbol.dispose]();
  expect(cache.pages).toMatchObject({ used: 0, cached: 4 });
});

it('does not give one adapter, or one rope, what another has computed', () => {
  const byLength = { ...rope, key: (length: number) => Number(length > 600) };
  const cache = new Cache('f32', { capacity: 2048, sequences: 2 }, byLength);
  const [one, two] = [{ name: 'one' }, { name: 'two' }] as HeldAdapter[];
  const tokens = text(1, 300);
  expect(use(cache, tokens)).toBe(0);
  expect(use(cache, tokens, one)).toBe(0);
  expect(use(cache, tokens)).toBe(299);
  expect(use(cache, tokens, one)).toBe(299);
  expect(use(cache, tokens, two)).toBe(0);
  expect(use(cache, [...tokens, ...text(2, 400)])).toBe(0);
});

it('leaves as much of a prompt to compute as kernels need, and no short rest', () => {
  const cache = create({ leastRows: 33 });
  const tokens = text(1, 270);
  use(cache, tokens);
  using sequence = cache.open(tokens)!;
  expect(sequence.position).toBe(270 - 33);
  using fresh = cache.open(text(2, 270))!;
  expect(fresh.stepEnd(256)).toBe(270 - 33);
  using short = cache.open(text(2, 20))!;
  expect(short.stepEnd(256)).toBe(20);
});

it('takes pages back from what was unused for longest, ends before beginnings, never from those at work', () => {
  const cache = create({ capacity: 4 * PAGE, pages: 6 });
  use(cache, text(1, 2 * PAGE));
  use(cache, text(2, 2 * PAGE));
  use(cache, text(1, PAGE + 40));
  using held = cache.open(text(3, 3 * PAGE))!;
  expect(held.reserve(3 * PAGE)).toBe(true);
  expect(cache.pages).toMatchObject({ total: 6, used: 3 });
  // The second text had to go; of the first, which was asked for again, the beginning is left.
  expect(use(cache, [...text(1, PAGE), 7])).toBe(PAGE);
  using other = cache.open(text(4, 3 * PAGE))!;
  expect(other.reserve(3 * PAGE)).toBe(true);
  expect(other.reserve(3 * PAGE + 1)).toBe(false);
  expect(cache.open([5])).toBeUndefined();
  expect(cache.pages).toMatchObject({ used: 6, cached: 0 });
});

it('does not tell guesses that came to nothing', () => {
  const cache = create();
  const prompt = text(1, PAGE - 4);
  using sequence = cache.open(prompt)!;
  compute(sequence, prompt);
  sequence.reserve(16);
  sequence.advance(text(2, 16));
  sequence.rewind(PAGE - 2);
  sequence.advance([3]);
  expect(use(cache, [...prompt, ...text(2, 2), 3, 4])).toBe(PAGE - 1);
  expect(use(cache, [...prompt, ...text(2, 16), 4])).toBe(PAGE - 2);
});

it('joins what two have computed side by side when they end', () => {
  const cache = create();
  const prompt = text(1, 300);
  const one = cache.open(prompt)!;
  const two = cache.open(prompt)!;
  compute(one, prompt);
  compute(two, [...prompt, ...text(2, 200)]);
  one[Symbol.dispose]();
  two[Symbol.dispose]();
  // Four blocks of the longer one, and the third of the shorter, which was not full.
  expect(cache.pages).toMatchObject({ used: 0, cached: 5 });
  expect(use(cache, [...prompt, ...text(2, 200), 1])).toBe(500);
});

it('shares nothing where a hash is the same and the tokens are not', async () => {
  vi.resetModules();
  vi.doMock('./hash.js', () => ({ hashOf: () => 1 }));
  const { Cache: Colliding } = await import('./cache.js');
  const cache = new Colliding('f32', { capacity: 2048, sequences: 2 }, rope);
  expect(use(cache, text(1, 300))).toBe(0);
  expect(use(cache, text(2, 300))).toBe(0);
  expect(use(cache, [...text(2, 300), 1])).toBeLessThanOrEqual(300);
  expect(use(cache, [...text(1, 200), 1])).toBe(128);
  vi.doUnmock('./hash.js');
});

it('goes on with recurrent states from snapshots: near the end of a prompt, at its answer, and where prompts part', () => {
  const cache = create({ leastRows: 33, snapshots: 3 });
  // Planning counts what states take and has no memory for them.
  class Arena extends CountingArena {
    override bytes = (): Uint8Array => new Uint8Array(0);
  }
  cache.place({ kind: 'conv', channels: 4, kernel: 4 }, new Arena());
  const system = text(1, 500);
  const ask = (seed: number) => [...system, ...text(seed, 100)];
  expect(use(cache, ask(2))).toBe(0);
  // The answer goes on from the end, another question from nothing that is kept: but it leaves a state where it parts.
  expect(use(cache, [...ask(2), ...text(9, 10), ...text(3, 60)])).toBe(560);
  expect(use(cache, ask(4))).toBe(0);
  expect(use(cache, ask(5))).toBe(496);
});
