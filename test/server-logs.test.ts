/** What the log says of requests, and what the data folder remembers of keys. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { hashSecret, KeyRing } from '../src/server/keys.js';
import { type ListenOptions, listen, type RunningServer } from '../src/server/listen.js';
import { jsonLog, textLog } from '../src/server/logs.js';
import { UsageFile } from '../src/server/usage-file.js';
import { scriptedModel } from './scripted-engine.js';

let server: RunningServer | undefined;
afterEach(() => server?.close());

const keys = new KeyRing([{ info: { id: 'shop', limits: {} }, hash: hashSecret('the-secret') }]);

async function ask(options: ListenOptions): Promise<void> {
  server = await listen(scriptedModel('A violet answer').model, { port: 0, keys, ...options });
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'A purple question' }], stream: true });
  const headers = { authorization: 'Bearer the-secret' };
  const url = `${server.url}/v1/chat/completions?api_key=the-secret`;
  await fetch(url, { method: 'POST', body, headers }).then((response) => response.text());
}

describe('the log', () => {
  it('tells programs what a request took, and neither text nor secrets', async () => {
    const lines: string[] = [];
    await ask({ log: jsonLog(pino({ base: undefined }, { write: (line) => lines.push(line) })) });
    const entry = JSON.parse(lines[0]);
    expect(entry).toMatchObject({
      ...{ msg: 'request', method: 'POST', path: '/v1/chat/completions', route: '/v1/chat/completions' },
      ...{ protocol: 'openai', status: 200, key: 'shop', model: 'scripted', completion_tokens: 15, finish: 'stop' },
    });
    expect(entry.request_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(entry.ms).toBeGreaterThanOrEqual(entry.first_ms);
    expect(lines.join()).not.toMatch(/purple|violet|the-secret/);
  });

  it.each([true, false])('holds text only if asked: %s', async (logText) => {
    const lines: string[] = [];
    await ask({ log: textLog((line) => lines.push(line)), logText });
    expect(lines[0]).toMatch(/^POST \/v1\/chat\/completions 200 \d+ ms \S+ key=shop tokens=\d+\+15$/);
    expect(/purple/.test(lines.join()) && /violet/.test(lines.join())).toBe(logText);
    expect(lines.join()).not.toContain('the-secret');
  });
});

it("remembers today's tokens of keys across a restart, and begins anew where they are damaged", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kaiwen-usage-'));
  try {
    const holder = { id: 'shop', limits: { tokensPerDay: 100 } };
    {
      using usage = new UsageFile(join(folder, 'data'), () => {});
      usage.limiter.enter(holder).reserve(90).settle(70);
    }
    const report = vi.fn();
    {
      using again = new UsageFile(join(folder, 'data'), report);
      expect(() => again.limiter.enter(holder).reserve(31)).toThrow('of which 30 are left');
    }
    const file = join(folder, 'data', 'usage.json');
    expect(JSON.parse(readFileSync(file, 'utf8')).tokens).toEqual({ shop: 70 });
    writeFileSync(file, '{');
    using anew = new UsageFile(join(folder, 'data'), report);
    anew.limiter.enter(holder).reserve(100);
    expect(report).toHaveBeenCalledOnce();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
