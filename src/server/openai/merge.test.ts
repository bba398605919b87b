import { expect, it } from 'vitest';
import { merge } from './merge.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));
async function* count(name: string, to: number, ended: string[] = []): AsyncGenerator<string> {
  try {
    for (let i = 0; i < to; i++) {
      await turn();
      yield `${name}${i}`;
    }
  } finally {
    ended.push(name);
  }
}

it('gives all values, each source in its order, none far ahead', async () => {
  const values: string[] = [];
  for await (const value of merge([count('a', 3), count('b', 5), count('c', 0)])) values.push(value);
  expect(values.filter((value) => value.startsWith('a'))).toEqual(['a0', 'a1', 'a2']);
  expect(values.filter((value) => value.startsWith('b'))).toEqual(['b0', 'b1', 'b2', 'b3', 'b4']);
  expect(values.slice(0, 2).sort()).toEqual(['a0', 'b0']);
});

it.each([1, 3])('ends %i sources when it is left, and when one of them fails', async (sources) => {
  const ended: string[] = [];
  const names = ['a', 'b', 'c'].slice(0, sources);
  for await (const _ of merge(names.map((name) => count(name, 100, ended)))) break;
  await turn();
  await turn();
  expect(ended.sort()).toEqual(names);
  async function* failing(): AsyncGenerator<string> {
    yield 'first';
    throw new Error('over');
  }
  const own: string[] = [];
  const others = names.slice(1).map((name) => count(name, 100, own));
  const reading = (async () => {
    for await (const _ of merge([failing(), ...others]));
  })();
  await expect(reading).rejects.toThrow('over');
  await turn();
  await turn();
  expect(own.sort()).toEqual(names.slice(1));
});
