import { expect, it } from 'vitest';
import { nextInTurn, Turns } from './turns.js';

it('lets groups take turns, newcomers first', () => {
  const turns = new Turns();
  const taken = ['a', 'a', 'b', 'a', 'c', 'c'].map((newest, i, all) => {
    const first = turns.order(all.slice(0, i + 1))[0];
    turns.took(first);
    return `${newest}${first}`;
  });
  expect(taken.join(' ')).toBe('aa aa bb aa cc cb');
});

it('gives a step to one of each group before the second of any, and inside a group in rotation', () => {
  const jobs = [...'aaaaab'].map((group, id) => ({ group, id, last: 0 }));
  const served = new Map<number, number>();
  let now = 0;
  for (let step = 0; step < 10; step++) {
    const chosen = nextInTurn(jobs, 3);
    expect(chosen.some(({ group }) => group === 'b')).toBe(true);
    for (const job of chosen) {
      job.last = ++now;
      served.set(job.id, (served.get(job.id) ?? 0) + 1);
    }
  }
  expect([...served.entries()].sort()).toEqual([0, 1, 2, 3, 4].map((id) => [id, 4]).concat([[5, 10]]));
});
