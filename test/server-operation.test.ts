/** What an operator sees of a server: health, metrics, several models, traces, TLS. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { get as getTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { KaiwenError } from '../src/errors.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { ModelPool } from '../src/server/model-pool.js';
import { openTracing } from '../src/server/tracing.js';
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

describe('traces', () => {
  it("are sent to the receiver that the environment names, as part of the caller's trace", async () => {
    interface Span {
      name: string;
      traceId: string;
      spanId: string;
      parentSpanId?: string;
      startTimeUnixNano: string;
      endTimeUnixNano: string;
      attributes: { key: string; value: { intValue?: number; stringValue?: string } }[];
    }
    const spans: Span[] = [];
    const receiver = createServer(async (request, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      expect(request.url).toBe('/v1/traces');
      for (const { scopeSpans } of JSON.parse(text).resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans);
      response.setHeader('content-type', 'application/json').end('{}');
    });
    await once(receiver.listen(0, '127.0.0.1'), 'listening');
    const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    expect(await openTracing({})).toBeUndefined();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = endpoint;
    const tracing = await openTracing(process.env);
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    server = await listen(scriptedModel('Hello you').model, { port: 0, observers: [tracing!] });
    const trace = '0af7651916cd43dd8448eb211c80319c';
    await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], stream: true }),
      headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` },
    }).then((response) => response.text());
    await get('/v1/models');
    await tracing!.close();
    receiver.close();

    expect(spans.map(({ name }) => name).sort()).toEqual([
      'GET /v1/models',
      'POST /v1/chat/completions',
      'decode',
      'prefill',
      'queue',
    ]);
    const named = (name: string) => spans.find((span) => span.name === name)!;
    const attribute = (name: string, key: string) =>
      named(name).attributes.find((one) => one.key === key)?.value.intValue;
    const request = named('POST /v1/chat/completions');
    expect([request.traceId, request.parentSpanId]).toEqual([trace, 'b7ad6b7169203331']);
    for (const part of ['queue', 'prefill', 'decode']) {
      expect([named(part).traceId, named(part).parentSpanId]).toEqual([trace, request.spanId]);
    }
    expect(attribute('POST /v1/chat/completions', 'http.response.status_code')).toBe(200);
    expect(attribute('decode', 'kaiwen.completion_tokens')).toBe(9);
    expect(named('prefill').endTimeUnixNano).toBe(named('decode').startTimeUnixNano);
    expect(named('GET /v1/models').traceId).not.toBe(trace);
  });
});

describe('TLS', () => {
  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  it.skipIf(!hasOpenssl)('is spoken with the certificate of the files, which can be changed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kaiwen-tls-'));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const makeCertificate = (name: string) =>
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'].concat([
          '-subj',
          `/CN=${name}`,
          '-keyout',
          key,
          '-out',
          cert,
        ]),
        { stdio: 'ignore' },
      );
    const commonName = async (path: string) => {
      const request = getTls(`${server!.url}${path}`, { rejectUnauthorized: false, agent: false });
      const [response] = await once(request, 'response');
      expect(response.statusCode).toBe(200);
      const { subject } = (response.socket as TLSSocket).getPeerCertificate();
      response.resume();
      await once(response, 'end');
      return subject.CN;
    };
    const { model } = scriptedModel('Hi');
    try {
      makeCertificate('first');
      server = await listen(model, { port: 0, tls: { cert, key } });
      expect(server.url).toMatch(/^https:/);
      expect(await commonName('/health')).toBe('first');
      expect(await commonName('/v1/models')).toBe('first');
      makeCertificate('second');
      server.reload();
      expect(await commonName('/health')).toBe('second');
      writeFileSync(cert, 'nonsense');
      expect(() => server!.reload()).toThrow(KaiwenError);
      expect(await commonName('/health')).toBe('second');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
