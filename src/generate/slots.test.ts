import { expect, it } from 'vitest';
import { Slots } from './slots.js';

const never = new AbortController().signal;

it('serves in order, and whoever leaves the queue lets the next one through', async () => {
  const slots = new Slots(2);
  const held = (await slots.lend(never))!;
  const leaver = new AbortController();
  const both = slots.lend(leaver.signal, 2);
  const served: string[] = [];
  const one = slots.lend(never).then((permit) => {
    served.push('one');
    return permit!;
  });
  await Promise.resolve();
  expect(served).toEqual([]);
  leaver.abort();
  expect(await both).toBeUndefined();
  (await one)[Symbol.dispose]();
  held[Symbol.dispose]();
  expect(await slots.lend(never, 2)).toBeDefined();
  expect(await slots.lend(AbortSignal.abort())).toBeUndefined();
});
