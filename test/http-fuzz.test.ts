/**
 * Whatever is sent to any route, the server answers in the shape of the route's protocol, never with a fault of its own,
 * and lives. The routes and the fields that they know are those of the OpenAPI document.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../src/server/app.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { scriptedModel } from './scripted-engine.js';

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-fuzz-'));
const { model } = scriptedModel('Hello you');
const faults: unknown[] = [];
let server: RunningServer;
beforeAll(async () => {
  server = await listen(model, {
    port: 0,
    bodyLimit: 100_000,
    data: join(folder, 'data'),
    timeoutMs: 5_000,
    log: { requestEnded() {}, note() {}, fault: (error) => faults.push(error) },
  });
});
afterAll(async () => {
  await server.close(1000);
  rmSync(folder, { recursive: true, force: true });
});

interface Route {
  method: string;
  path: string;
  /** Names of the fields that its body may have. */
  fields: string[];
}
const app = createApp(model);
const document = await (await app.request('http://localhost/openapi.json')).json();
const routes: Route[] = Object.entries(document.paths as Record<string, Record<string, object>>).flatMap(
  ([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const name = /schemas\/(\w+)/.exec(JSON.stringify(operation))?.[1];
      const schema = name === undefined ? {} : document.components.schemas[name];
      return { method: method.toUpperCase(), path, fields: Object.keys(schema.properties ?? {}) };
    }),
);

const odd = fc.constantFrom<unknown>(
  ...[
    null,
    true,
    0,
    -1,
    1e308,
    0.5,
    2 ** 53,
    '',
    'auto',
    'user',
    '\u0000',
    '\ud800',
    [],
    {},
    [[]],
    [null],
    'x'.repeat(5000),
  ],
  ...[{ role: 'user', content: 'Hi' }, [{ role: 'user', content: 'Hi' }], [{ role: 'tool' }], { type: 'json_object' }],
  ...[{ type: 'json_schema', json_schema: { name: 'a', schema: { $ref: '#' } } }, [{ type: 'function' }]],
  ...['../../etc/passwd', '__proto__', 'constructor', { text: 'Hi' }, { messages: [{ role: 'user', content: 'Hi' }] }],
);
const value = fc.oneof({ arbitrary: odd, weight: 3 }, { arbitrary: fc.jsonValue({ maxDepth: 3 }), weight: 1 });

/** A body as a client of the route might send it, were it not for some of its fields. */
const nearly = ({ fields }: Route) =>
  fc
    .record({
      good: fc.boolean(),
      some: fc.array(fc.tuple(fc.constantFrom(...fields, 'unknown'), value), { maxLength: 4 }),
    })
    .map(({ good, some }) => {
      const messages = [{ role: 'user', content: 'Hi' }];
      const base = good ? { model: 'scripted', messages, prompt: 'Hi', input: { messages }, max_tokens: 5 } : {};
      return JSON.stringify({ ...base, ...Object.fromEntries(some) });
    });
const body = (route: Route): fc.Arbitrary<string | Uint8Array> =>
  fc.oneof(
    { arbitrary: nearly(route), weight: 6 },
    { arbitrary: nearly(route).map((text) => text.slice(0, text.length / 2)), weight: 1 },
    { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 },
    { arbitrary: fc.json(), weight: 1 },
    fc.constantFrom<string | Uint8Array>(
      '',
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"messages":[{"role":"user","content":"Hi","__proto__":{"polluted":true}}]}',
      '['.repeat(50_000),
      `{"a":${'{"a":'.repeat(1000)}1${'}'.repeat(1001)}`,
      `{"messages":${'1'.repeat(1000)}}`,
      `{"model":"${'x'.repeat(150_000)}"}`,
      Buffer.concat([Buffer.from('{"model":"'), Buffer.of(0xff, 0xfe, 0xc0), Buffer.from('"}')]),
      '--x\r\ncontent-disposition: form-data; name="file"; filename="../../evil"\r\n\r\n{}\r\n--x--\r\n',
    ),
  );
const headers = fc
  .array(
    fc.constantFrom<[string, string]>(
      ['content-type', 'multipart/form-data; boundary=x'],
      ['content-type', 'text/plain; charset=utf-16'],
      ['content-encoding', 'gzip'],
      ['accept-encoding', 'identity;q=0, *;q=0'],
      ['x-dashscope-sse', 'enable'],
      ['anthropic-version', '2023-06-01'],
      ['authorization', 'Basic Og=='],
      ['x-api-key', 'a b'],
      ['traceparent', '00-zz-zz-zz'],
      ['origin', 'null'],
      ['origin', 'http://evil.example'],
      ['host', 'evil.example'],
      ['host', 'localhost:1, localhost'],
      ['x-long', 'x'.repeat(20_000)],
      ['x-latin', '\u00ff\u00fe'],
      ['cookie', '__proto__=1'],
      ['range', 'bytes=0-0,1-1'],
      ['if-none-match', '*'],
      ['transfer-encoding', 'identity'],
    ),
    { maxLength: 2 },
  )
  .map((pairs) => Object.fromEntries(pairs));
const segment = fc.constantFrom(
  ...[
    '..',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '%00',
    '__proto__',
    'constructor',
    '%ff',
    '%',
    'a'.repeat(3000),
    'file-1',
  ],
  ...['batch_../../x', '..%5c..%5c', '%F0%9F%98%80', 'scripted', '*', ':id', '{id}', '.'],
);

interface Answer {
  status: number;
  type: string;
  text: string;
}

function send(
  method: string,
  path: string,
  payload: string | Uint8Array,
  extra: Record<string, string>,
): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(
      { port: server.port, host: '127.0.0.1', method, path, headers: { 'content-type': 'application/json', ...extra } },
      (response: IncomingMessage) => {
        const parts: Buffer[] = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            text: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    // The server may have answered and closed before it had read everything.
    outgoing.on('error', () => resolve(undefined));
    outgoing.end(payload);
  });
}

/** Whether this is how the protocol of a path says that something went wrong. */
function isErrorOf(sent: string, extra: Record<string, string>, { text }: Answer): boolean {
  const error = JSON.parse(text);
  const path = new URL(`http://localhost${sent}`).pathname;
  if (extra['anthropic-version'] || path.startsWith('/v1/messages'))
    return error.type === 'error' && typeof error.error.type === 'string' && typeof error.error.message === 'string';
  if (path.startsWith('/api/v1/')) return typeof error.code === 'string' && typeof error.message === 'string';
  if (path.startsWith('/api/')) return typeof error.error === 'string';
  return typeof error.error.message === 'string' && typeof error.error.type === 'string';
}

async function check(method: string, path: string, payload: string | Uint8Array, extra: Record<string, string>) {
  const answer = await send(method, path, payload, extra);
  expect(faults).toEqual([]);
  if (!answer) return;
  expect(answer.status).toBeGreaterThanOrEqual(200);
  expect(answer.status, answer.text).not.toBe(500);
  // What is no HTTP is refused before any protocol sees it, and a page is no protocol.
  const early = answer.status === 431 || (answer.status === 400 && /HTTP request|Host header/.test(answer.text));
  if (answer.status >= 400 && method !== 'HEAD' && !early && path !== '/' && answer.type.includes('json'))
    expect(isErrorOf(path, extra, answer), `${method} ${path} ${answer.status} ${answer.text}`).toBe(true);
  if (answer.status >= 400 && !['/', '/health', '/ready'].includes(path) && method !== 'HEAD')
    expect(answer.type).toContain('json');
}

async function checkAlive(): Promise<void> {
  expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ status: 'ok' });
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  // Nothing was written but where the server keeps its data.
  expect(readdirSync(folder).filter((name) => name !== 'data')).toEqual([]);
}

describe('any body and headers', () => {
  it.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('to %s', async (_, route) => {
    await fc.assert(
      fc.asyncProperty(body(route), headers, segment, async (payload, extra, id) => {
        await check(route.method, route.path.replace(/\{\w+\}/, id), payload, extra);
      }),
      { numRuns: 30 },
    );
    await checkAlive();
  });
});

it('any method and path', async () => {
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD');
  const start = fc.constantFrom('/v1/', '/api/', '/api/v1/', '/compatible-mode/v1/', '/', '/v1/files/', '/v1/models/');
  await fc.assert(
    fc.asyncProperty(method, start, fc.array(segment, { maxLength: 4 }), headers, async (verb, head, tail, extra) => {
      await check(verb, `${head}${tail.join('/')}`, verb === 'POST' ? '{}' : '', extra);
    }),
    { numRuns: 200 },
  );
  await checkAlive();
});

it('any bytes instead of HTTP', async () => {
  const line = fc.constantFrom(
    ...[
      'GET / HTTP/1.1\r\n',
      'POST /v1/chat/completions HTTP/1.1\r\n',
      'host: localhost\r\n',
      'content-length: -1\r\n',
    ],
    ...[
      'content-length: 5\r\n',
      'transfer-encoding: chunked\r\n',
      '\r\n',
      'ffffffffffffffff\r\n',
      'PRI * HTTP/2.0\r\n',
    ],
    ...['GET http://[ HTTP/1.1\r\n', ': \r\n', 'x\0y: 1\r\n', 'GET //../%zz HTTP/1.1\r\n', '\x16\x03\x01'],
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.uint8Array({ maxLength: 50 }), async (lines, rest) => {
      const socket = connect(server.port, '127.0.0.1');
      let text = '';
      socket.on('data', (part) => {
        text += part;
      });
      socket.on('error', () => {});
      socket.end(Buffer.concat([Buffer.from(lines.join(''), 'latin1'), rest]));
      await once(socket, 'close');
      expect(text === '' || text.startsWith('HTTP/1.1 ')).toBe(true);
      expect(text).not.toMatch(/^HTTP\/1\.1 500/m);
      expect(faults).toEqual([]);
    }),
    { numRuns: 100 },
  );
  await checkAlive();
});
