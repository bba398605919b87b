import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ResponseStore, type StoredResponse } from './store.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kaiwen-responses-'));
});
afterAll(() => rm(folder, { recursive: true }));

const id = (n: number) => `resp_${String(n).padStart(32, '0')}`;
const stored = (n: number, owner: string | null = null): StoredResponse => ({
  response: { id: id(n), previous_response_id: null },
  input: [],
  output: [],
  owner,
});

it.each(['memory', 'disk'])('keeps the ones used last, in %s', async (where) => {
  const store = new ResponseStore({ ...(where === 'disk' && { folder: join(folder, 'few') }), maxCount: 2 });
  await store.put(stored(1));
  await store.put(stored(2));
  expect(await store.get(id(1), null)).toEqual(stored(1));
  await store.put(stored(3));
  expect(await store.get(id(2), null)).toBeUndefined();
  expect(await store.get(id(1), null)).toEqual(stored(1));
  await store.delete(id(1));
  expect(await store.get(id(1), null)).toBeUndefined();
});

it('shows a response to its owner alone', async () => {
  const store = new ResponseStore();
  await store.put(stored(1, 'ada'));
  expect(await store.get(id(1), 'bob')).toBeUndefined();
  expect(await store.get(id(1), null)).toBeUndefined();
  expect(await store.get(id(1), 'ada')).toEqual(stored(1, 'ada'));
});

it('knows after a restart what was there, and nothing that was half written', async () => {
  const own = join(folder, 'restart');
  await new ResponseStore({ folder: own }).put(stored(1));
  await writeFile(join(own, `${id(2)}.json.tmp`), '{"half');
  await writeFile(join(own, `${id(3)}.json`), '{"cut');
  const store = new ResponseStore({ folder: own });
  expect(await store.get(id(1), null)).toEqual(stored(1));
  expect(await store.get(id(2), null)).toBeUndefined();
  expect(await store.get(id(3), null)).toBeUndefined();
  expect((await readdir(own)).sort()).toEqual([`${id(1)}.json`, `${id(3)}.json`]);
});

it('takes nothing for an id that is none', async () => {
  const store = new ResponseStore({ folder });
  await expect(store.put({ ...stored(1), response: { id: '../x', previous_response_id: null } })).rejects.toThrow();
  for (const name of ['../x', 'resp_..', '', '__proto__', `${id(1)}/../..`])
    expect(await store.get(name, null)).toBeUndefined();
});
