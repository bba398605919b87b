/** Keys and their limits, over HTTP. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashSecret, type KeyLimits, KeyRing } from '../src/server/keys.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { textLog } from '../src/server/logs.js';
import { scriptedModel } from './scripted-engine.js';

const { model } = scriptedModel('Hello you');
const logged: string[] = [];
const entry = (id: string, limits: KeyLimits, models?: string[]) => ({
  info: { id, limits, models },
  hash: hashSecret(`secret-of-${id}`),
});
let server: RunningServer;
beforeAll(async () => {
  const keys = new KeyRing([
    entry('free', {}),
    entry('few', { requestsPerMinute: 2 }),
    entry('one', { concurrency: 1 }),
    entry('other', {}, ['another-model']),
  ]);
  server = await listen(model, { port: 0, keys, log: textLog((line) => logged.push(line)) });
});
afterAll(() => server.close());

const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], max_tokens: 9 });
const ask = (headers: Record<string, string>) =>
  fetch(`${server.url}/v1/chat/completions`, { method: 'POST', body, headers });

describe('a server with keys', () => {
  it.each(['authorization', 'x-api-key', 'api-key'])('takes a key in %s', async (header) => {
    const value = (secret: string) => (header === 'authorization' ? `Bearer ${secret}` : secret);
    const good = await ask({ [header]: value('secret-of-free') });
    expect(good.status).toBe(200);
    expect(good.headers.get('x-ratelimit-limit-requests')).toBeNull();
    const bad = await ask({ [header]: value('secret-of-nobody') });
    expect(bad.status).toBe(401);
    expect(await bad.text()).not.toContain('secret-of');
  });

  it('tells in headers where a key stands, and refuses what goes beyond', async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret-of-few', maxRetries: 0 });
    const request = { model: 'scripted', messages: [{ role: 'user' as const, content: 'Hi' }] };
    const { response } = await client.chat.completions.create(request).withResponse();
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    for await (const _ of await client.chat.completions.create({ ...request, stream: true }));
    const error = await client.chat.completions.create(request).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error.code).toBe('rate_limit_exceeded');
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThan(50);
  });

  it('gives a place back however a request ends', async () => {
    const headers = { authorization: 'Bearer secret-of-one' };
    for (const payload of [body, '{', JSON.stringify({ ...JSON.parse(body), model: 'nothing' }), body]) {
      const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', body: payload, headers });
      await response.text();
      expect(response.status).not.toBe(429);
    }
  });

  it('lets a key have only its models', async () => {
    const response = await ask({ authorization: 'Bearer secret-of-other' });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: 'model_not_allowed', param: 'model' } });
  });

  it('logs ids of keys and no secrets', async () => {
    expect(
      logged.some((line) => /^POST \/v1\/chat\/completions 200 \d+ ms \S+ key=free tokens=\d+\+9$/.test(line)),
    ).toBe(true);
    expect(logged.some((line) => line.endsWith('rate_limit_exceeded'))).toBe(true);
    expect(logged.join()).not.toContain('secret-of');
  });
});
