import { expect, it } from 'vitest';
import { fixed, plainFrequencies } from '../models/rope.js';
import { Cache } from './cache.js';
import type { HeldAdapter } from './held-adapter.js';
import { Slots } from './slots.js';

const rope = fixed(4, false, plainFrequencies(4, 10_000));
const never = new AbortController().signal;
const text = (seed: number, length: number) => Array.from({ length }, (_, i) => seed * 1000 + i);

/** Slots and a way to use one for a text, as an answer does. */
function create(count: number) {
  const slots = new Slots(new Cache('f32', 256, count).sequences, rope);
  const use = async (tokens: number[]): Promise<{ slot: number; known: number }> => {
    using lease = (await slots.lend(tokens, never))!;
    const [sequence] = lease.sequences;
    const known = sequence.reuse(tokens, rope);
    sequence.advance(tokens.slice(known));
    return { slot: sequence.slot, known };
  };
  return { slots, use };
}

it('gives a conversation the sequence that knows it, and a new one the longest unused', async () => {
  const { use } = create(2);
  const first = await use(text(1, 50));
  const second = await use(text(2, 50));
  expect(second.slot).not.toBe(first.slot);
  expect(await use([...text(1, 50), 7])).toEqual({ slot: first.slot, known: 50 });
  expect(await use([...text(2, 50), 7])).toEqual({ slot: second.slot, known: 50 });
  // The same beginning alone is not worth what the first conversation holds.
  expect(await use([...text(2, 10), ...text(3, 20)])).toEqual({ slot: first.slot, known: 0 });
  expect(await use([...text(2, 50), 7, 8])).toEqual({ slot: second.slot, known: 51 });
});

it('does not give one adapter what another has computed', async () => {
  const sequences = new Cache('f32', 256, 2).sequences;
  const slots = new Slots(sequences, rope);
  const [one, two] = [{}, {}] as HeldAdapter[];
  const use = async (adapter: HeldAdapter | undefined): Promise<{ slot: number; known: number }> => {
    const tokens = text(1, 50);
    using lease = (await slots.lend(tokens, never, 1, adapter))!;
    const [sequence] = lease.sequences;
    const known = sequence.reuse(tokens, rope, adapter);
    sequence.advance(tokens.slice(known));
    return { slot: sequence.slot, known };
  };
  const plain = await use(undefined);
  const first = await use(one);
  expect(first).toEqual({ slot: 1 - plain.slot, known: 0 });
  expect(await use(undefined)).toEqual({ slot: plain.slot, known: 49 });
  expect(await use(one)).toEqual({ slot: first.slot, known: 49 });
  expect(await use(two)).toEqual({ slot: plain.slot, known: 0 });
  expect(await use(undefined)).toEqual({ slot: first.slot, known: 0 });
});

it('serves in order, and whoever leaves the queue lets the next one through', async () => {
  const { slots } = create(2);
  const held = (await slots.lend([1], never))!;
  const leaver = new AbortController();
  const both = slots.lend([], leaver.signal, 2);
  const served: string[] = [];
  const one = slots.lend([1], never).then((lease) => {
    served.push('one');
    return lease!;
  });
  await Promise.resolve();
  expect(served).toEqual([]);
  leaver.abort();
  expect(await both).toBeUndefined();
  (await one)[Symbol.dispose]();
  held[Symbol.dispose]();
  expect((await slots.lend([], never, 2))!.sequences).toHaveLength(2);
  expect(await slots.lend([], AbortSignal.abort())).toBeUndefined();
});
