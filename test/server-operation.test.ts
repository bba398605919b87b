/** What an operator sees of a server: health, metrics, several models. */
import { afterEach, describe, expect, it } from 'vitest';
import { listen, type RunningServer } from '../src/server/listen.js';
import { ModelPool } from '../src/server/model-pool.js';
import { scriptedModel } from './scripted-engine.js';

let server: RunningServer | undefined;
afterEach(() => server?.close());

const ask = (model?: string) =>
  fetch(`${server!.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], stream: true }),
  }).then((response) => response.text());

const get = (path: string) => fetch(`${server!.url}${path}`);

/** Samples of /metrics by name and labels. */
async function metrics(): Promise<Record<string, number>> {
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]));
}

describe('metrics', () => {
  it('count what was asked, answered and refused, with labels that no client chooses', async () => {
    server = await listen(scriptedModel('Hello you').model, { port: 0 });
    await ask();
    await ask();
    await ask('nonsense');
    for (let i = 0; i < 5; i++) await get(`/v1/unknown-${i}`);
    const now = await metrics();
    const route = 'route="/v1/chat/completions"';
    expect(now[`kaiwen_requests_total{protocol="openai",${route},status="200"}`]).toBe(2);
    expect(now[`kaiwen_requests_total{protocol="openai",${route},status="404"}`]).toBe(1);
    expect(now[`kaiwen_request_seconds_count{protocol="openai",${route}}`]).toBe(3);
    expect(now['kaiwen_completion_tokens_total{model="scripted"}']).toBe(18);
    expect(now['kaiwen_answers_total{model="scripted",finish="stop"}']).toBe(2);
    expect(now['kaiwen_time_to_first_token_seconds_count{model="scripted"}']).toBe(2);
    expect(now.kaiwen_time_between_tokens_seconds_count).toBe(16);
    expect(now['kaiwen_model_loaded{model="scripted"}']).toBe(1);
    expect(now['kaiwen_engine_waiting{model="scripted"}']).toBe(0);
    expect(now.process_resident_memory_bytes).toBeGreaterThan(1e6);
    expect(Object.keys(now).filter((key) => /nonsense|unknown-/.test(key))).toEqual([]);
    expect(Object.keys(now).filter((key) => key.startsWith('kaiwen_requests_total')).length).toBeLessThan(6);
  });
});

describe('several models', () => {
  it('are loaded when asked for, and those that must be there make the server ready', async () => {
    const load = async (path: string) => scriptedModel(`I am ${path}`, { name: path }).model;
    const config = (name: string, preload: boolean) => ({ name, path: name, aliases: [], options: {}, preload });
    const pool = new ModelPool({ models: [config('a', true), config('b', false)], load, estimate: () => 1 });
    server = await listen(pool, { port: 0 });
    expect((await get('/health')).status).toBe(200);
    const before = await get('/ready');
    expect([before.status, await before.json()]).toEqual([503, { status: 'loading', missing: ['a'] }]);
    await pool.preload();
    expect((await get('/ready')).status).toBe(200);
    expect(await ask('b')).toContain('"model":"b"');
    expect(await ask('a')).toContain('"model":"a"');
    expect(await ask('c')).toContain('model_not_found');
    const now = await metrics();
    expect([now['kaiwen_model_loaded{model="a"}'], now['kaiwen_model_loaded{model="b"}']]).toEqual([1, 1]);
    await pool.close();
    expect(await ask('a')).toContain('server_stopping');
  });
});
