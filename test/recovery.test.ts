/** What breaks inside an engine ends with clear errors, and the engine comes back by itself. Threads run from dist/. */
import { cpSync, mkdtempSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BroadcastChannel, type Worker, type WorkerOptions } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { KaiwenError } from '../src/errors.js';
import type { Engine, GenerateRequest } from '../src/generate/engine.js';
import type { SupervisionOptions } from '../src/generate/supervised.js';
import { createApp } from '../src/server/app.js';

const fixture = fileURLToPath(new URL('fixtures/logits/qwen3-tied-headdim', import.meta.url));
const saboteur = fileURLToPath(new URL('saboteur.cjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Worker };
const RealWorker = threads.Worker;
/** Every thread that this one has started. */
const started: Worker[] = [];
const orders = new BroadcastChannel('saboteur');

let load: typeof import('../src/generate/load.js').load;
let superviseEngine: typeof import('../src/generate/supervised.js').superviseEngine;
beforeAll(async () => {
  threads.Worker = class extends RealWorker {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      super(file, { ...options, execArgv: ['--require', saboteur] });
      started.push(this);
    }
  } as typeof Worker;
  syncBuiltinESMExports();
  ({ load } = await import('../src/generate/load.js'));
  ({ superviseEngine } = await import('../src/generate/supervised.js'));
});
afterAll(() => {
  threads.Worker = RealWorker;
  syncBuiltinESMExports();
  orders.close();
  rmSync(folder, { recursive: true });
});

const request: GenerateRequest = {
  tokens: Array.from({ length: 40 }, (_, i) => (i * i * 31 + 3) % 320),
  maxTokens: 20,
  stopTokens: [],
  detectRepetition: false,
  sampling: {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
  },
};

async function answer(engine: Engine, maxTokens = 20, begun: () => unknown = () => {}): Promise<number[]> {
  const ids: number[] = [];
  for await (const event of engine.generate({ ...request, maxTokens })) {
    if (event.type === 'token' && ids.push(event.id) === 1) begun();
  }
  return ids;
}

let engine: Engine | undefined;
const failures: KaiwenError[] = [];
async function start(path = fixture, options: SupervisionOptions = {}): Promise<Engine> {
  failures.length = 0;
  engine = await superviseEngine(path, { threads: 2, ...options, onFailure: (error) => failures.push(error) });
  return engine;
}
afterEach(() => engine?.close());

/** Answers that are under way or wait when `harm` is done; then one that comes after. */
async function harmAndAsk(harm: () => void, cause: RegExp): Promise<void> {
  const expected = await answer(engine!);
  let begun = () => {};
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  // One after the other: enough that some are left when the harm shows.
  const asked = Array.from({ length: 12 }, (_, i) => answer(engine!, 3000, () => i === 0 && begun()));
  await hasBegun;
  harm();
  const failed = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  for (const one of failed) expect(one).toMatchObject({ reason: { code: 'engine_failed' } });
  await expect.poll(() => engine!.status().restarts, { timeout: 20_000 }).toBe(1);
  expect(await answer(engine!)).toEqual(expected);
  expect(failures).toHaveLength(1);
  expect(String(failures[0].cause)).toMatch(cause);
}

it('comes back when its thread is killed', async () => {
  await start();
  await harmAndAsk(() => void started.at(-1)!.terminate(), /thread.* ended/);
});

it('comes back when a kernel traps', async () => {
  await start();
  await harmAndAsk(() => orders.postMessage('trap'), /RuntimeError: memory access out of bounds/);
});

it('comes back when a thread of the team is killed in the midst of a step', async () => {
  await start();
  await harmAndAsk(() => orders.postMessage('kill a member'), /a thread of its team ended/);
});

it('comes back when its thread throws what nobody catches', async () => {
  await start();
  await harmAndAsk(() => orders.postMessage('throw'), /sabotage/);
});

it('lets requests that come while it is loaded again wait for it', async () => {
  await start();
  const expected = await answer(engine!);
  await started.at(-1)!.terminate();
  await expect.poll(() => failures.length).toBe(1);
  expect(await Promise.all([answer(engine!), answer(engine!)])).toEqual([expected, expected]);
});

it('goes on without its file, says what is wrong when it needs it, and recovers once the file is back', async () => {
  const path = join(folder, 'model');
  const away = join(folder, 'away');
  cpSync(fixture, path, { recursive: true });
  await start(path);
  const expected = await answer(engine!);
  truncateSync(join(path, 'model.safetensors'), 1000);
  expect(await answer(engine!)).toEqual(expected);
  renameSync(path, away);
  expect(await answer(engine!)).toEqual(expected);
  await started.at(-1)!.terminate();
  await expect.poll(() => failures.length).toBe(2);
  expect(failures[1]).toMatchObject({ code: 'not_found' });
  await expect(answer(engine!)).rejects.toMatchObject({ code: 'engine_failed' });
  cpSync(fixture, path, { recursive: true });
  await expect.poll(() => engine!.status().restarts, { timeout: 20_000 }).toBe(1);
  expect(await answer(engine!)).toEqual(expected);
});

it('tells clients to come back, and answers those that do', async () => {
  const glossary = fileURLToPath(new URL('../models/glossary', import.meta.url));
  await using model = await load(glossary, { threads: 1, supervise: true, onFailure: () => {} });
  const app = createApp(model, { data: folder });
  const ask = (max_tokens: number) =>
    app.request('/v1/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'A whale is', max_tokens, temperature: 0 }),
    });
  expect((await ask(5)).status).toBe(200);
  const broken = ask(5000);
  await expect.poll(() => model.engine.status().running).toBe(1);
  await started.at(-1)!.terminate();
  const response = await broken;
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
  expect(await response.json()).toMatchObject({ error: { code: 'engine_failed' } });
  expect((await ask(5)).status).toBe(200);
});
