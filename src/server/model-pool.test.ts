import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { scriptedModel } from '../../test/scripted-engine.js';
import { KaiwenError } from '../errors.js';
import type { Model } from '../generate/api.js';
import type { HttpError } from './http-error.js';
import type { Lease } from './hub.js';
import { ModelPool, type PoolOptions } from './model-pool.js';
import type { PoolModel } from './models-file.js';

const never = new AbortController().signal;
const config = (name: string, more: Partial<PoolModel> = {}): PoolModel => ({
  name,
  path: `/models/${name}`,
  aliases: [],
  options: {},
  preload: false,
  ...more,
});

/** A pool whose models take 100 bytes each; `loaded` holds the names of those in memory. */
function pool(names: readonly (string | PoolModel)[], options: Partial<PoolOptions> = {}) {
  const loaded: string[] = [];
  let loads = 0;
  const load = async (path: string): Promise<Model> => {
    loads++;
    await new Promise((resolve) => setImmediate(resolve));
    const name = path.split('/').at(-1)!;
    const { model } = scriptedModel('Hi', { name, info: { weightBytes: 60, cacheBytes: 40 } });
    loaded.push(name);
    const close = model.close.bind(model);
    model.close = async () => {
      await close();
      loaded.splice(loaded.indexOf(name), 1);
    };
    return model;
  };
  const models = names.map((name) => (typeof name === 'string' ? config(name) : name));
  const made = new ModelPool({ models, load, estimate: () => 100, ...options });
  return { pool: made, loaded, loads: () => loads };
}

const failure = (promise: Promise<unknown>): Promise<HttpError> =>
  promise.then(
    () => {
      throw new Error('It was opened.');
    },
    (error) => error,
  );

describe('a pool of models', () => {
  it('loads once for all who ask at the same time', async () => {
    const { pool: models, loaded, loads } = pool(['a', config('b', { aliases: ['bee'] })]);
    const leases = await Promise.all([models.open('bee', never), models.open('b', never), models.open('b', never)]);
    expect(new Set(leases.map(({ id, model }) => `${id} ${model.name}`))).toEqual(new Set(['b b']));
    expect(loads()).toBe(1);
    expect(loaded).toEqual(['b']);
    expect(models.list().map(({ id, loaded: there }) => [id, there])).toEqual([
      ['a', false],
      ['b', true],
    ]);
    expect((await models.open(null, never)).id).toBe('a');
    expect((await failure(models.open('c', never))).code).toBe('model_not_found');
    await models.close();
    expect(loaded).toEqual([]);
  });

  it('makes room with the one that was needed least recently and that nobody holds', async () => {
    const { pool: models, loaded } = pool(['a', 'b', 'c'], { memory: 250 });
    const a = await models.open('a', never);
    (await models.open('b', never))[Symbol.dispose]();
    (await models.open('c', never))[Symbol.dispose]();
    expect(loaded).toEqual(['a', 'c']);
    a[Symbol.dispose]();
    (await models.open('b', never))[Symbol.dispose]();
    expect(loaded).toEqual(['a', 'b']);
    await models.close();
  });

  it('waits for room until somebody gives it, and not for ever', async () => {
    const { pool: models, loaded } = pool(['a', 'b'], { memory: 150, roomMs: 50, retryMs: 0 });
    const a = await models.open('a', never);
    expect(await failure(models.open('b', never))).toMatchObject({ status: 503, code: 'out_of_memory' });
    const b = models.open('b', never);
    a[Symbol.dispose]();
    a[Symbol.dispose]();
    expect((await b).model.name).toBe('b');
    expect(loaded).toEqual(['b']);
    await models.close();
  });

  it('refuses what can never fit', async () => {
    const { pool: models } = pool(['a'], { memory: 99 });
    const error = await failure(models.open('a', never));
    expect(error).toMatchObject({ status: 503, code: 'out_of_memory' });
    expect(error.message).toContain('budget');
  });

  it('makes room too when the machine has less than the budget', async () => {
    let free = 1;
    const names: string[] = [];
    const load = async (path: string) => {
      if (free === 0) throw new KaiwenError('out_of_memory', 'it needs more memory than there is');
      free--;
      names.push(path);
      const { model } = scriptedModel('Hi');
      model.close = async () => {
        free++;
      };
      return model;
    };
    const { pool: models } = pool(['a', 'b'], { load });
    (await models.open('a', never))[Symbol.dispose]();
    await models.open('b', never);
    expect(names).toEqual(['/models/a', '/models/b']);
  });

  it('says clearly that a load failed, and tries again later', async () => {
    let broken = true;
    const notes: string[] = [];
    const load = async () => {
      if (broken) throw new KaiwenError('bad_file', '/models/a: truncated');
      return scriptedModel('Hi').model;
    };
    const { pool: models } = pool(['a'], { load, retryMs: 30, note: (message) => notes.push(message) });
    const error = await failure(models.open('a', never));
    expect(error).toMatchObject({ status: 503, code: 'model_not_loaded' });
    expect(error.message).not.toContain('/models');
    expect(notes.join()).toContain('truncated');
    broken = false;
    expect(await failure(models.open('a', never))).toBe(error);
    await vi.waitFor(() => models.open('a', never), { interval: 10 });
  });

  it('lets those who wait go when they leave, and loads on', async () => {
    const { pool: models, loaded } = pool(['a'], { maxWaiting: 1 });
    const client = new AbortController();
    const waiting = failure(models.open('a', client.signal));
    expect((await failure(models.open('a', never))).code).toBe('overloaded');
    client.abort(new Error('gone'));
    expect((await waiting).message).toBe('gone');
    await vi.waitFor(() => expect(loaded).toEqual(['a']));
    expect((await models.open('a', never)).model.name).toBe('a');
    await models.close();
  });

  it('unloads what has been idle for its time', async () => {
    const { pool: models, loaded } = pool([config('a', { idleMs: 30 })]);
    const lease = await models.open('a', never);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(loaded).toEqual(['a']);
    lease[Symbol.dispose]();
    await vi.waitFor(() => expect(loaded).toEqual([]));
    expect((await models.open('a', never)).model.name).toBe('a');
    await models.close();
  });

  it('stays within its budget and never unloads what is held, whatever comes', async () => {
    const step = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), hold: fc.nat(5) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { pool: models, loaded } = pool(['a', 'b', 'c', 'd'], { memory: 200, roomMs: 20, retryMs: 0 });
        const request = async ({ name, hold }: { name: string; hold: number }): Promise<void> => {
          let lease: Lease;
          try {
            lease = await models.open(name, never);
          } catch (error) {
            expect((error as HttpError).code).toBe('out_of_memory');
            return;
          }
          for (let turn = 0; turn < hold; turn++) {
            expect(loaded).toContain(name);
            expect(loaded.length).toBeLessThanOrEqual(2);
            await new Promise((resolve) => setImmediate(resolve));
          }
          lease[Symbol.dispose]();
        };
        await Promise.all(steps.map(request));
        await models.close();
        expect(loaded).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
