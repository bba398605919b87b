/** Requests that would cost the server more than they say: each is refused, and leaves nothing behind. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { listen, type RunningServer } from '../src/server/listen.js';
import { scriptedModel } from './scripted-engine.js';

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-hostile-'));
const { model } = scriptedModel('Hello you');
let server: RunningServer;
beforeAll(async () => {
  server = await listen(model, { port: 0, bodyLimit: 400_000, data: folder });
});
afterAll(async () => {
  await server.close(1000);
  rmSync(folder, { recursive: true, force: true });
});

async function post(path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(server.url + path, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const multipart = { 'content-type': 'multipart/form-data; boundary=x' };
const part = (name: string, text: string) =>
  `--x\r\ncontent-disposition: form-data; name="${name}"; filename="a"\r\n\r\n${text}`;

it.each(['other', 'file'])('survives an upload that ends in the middle of its part "%s"', async (name) => {
  const response = await fetch(`${server.url}/v1/files`, {
    method: 'POST',
    headers: multipart,
    body: part(name, 'half'),
  });
  expect(response.status).toBe(400);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

it('leaves nothing of an upload whose client goes away', async () => {
  const files = () => readdirSync(join(folder, 'files'));
  const { hostname, port } = new URL(server.url);
  const upload = request({ hostname, port, path: '/v1/files', method: 'POST', headers: multipart });
  upload.on('error', () => {});
  upload.write(part('file', 'half'));
  await vi.waitFor(() => expect(files().some((name) => name.endsWith('.tmp'))).toBe(true), 5000);
  upload.destroy();
  await vi.waitFor(() => expect(files()).toEqual([]), 5000);
});

it.runIf(process.platform === 'linux')('opens no file to say how large it is', async () => {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob(['x'.repeat(500_000)]), 'a');
  const { id } = await (await fetch(`${server.url}/v1/files`, { method: 'POST', body: form })).json();
  const head = await fetch(`${server.url}/v1/files/${id}/content`, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe('500000');
  const open = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(id);
    } catch {
      return false;
    }
  });
  expect(open).toEqual([]);
});

it('bounds what references to stored items bring in', async () => {
  const first = await post('/v1/responses', { input: [{ role: 'user', content: 'Hi '.repeat(50) }] });
  expect(first.status).toBe(200);
  const { data } = await (await fetch(`${server.url}/v1/responses/${first.body.id}/input_items`)).json();
  const references = (count: number) => ({
    input: Array.from({ length: count }, () => ({ id: data[0].id })),
    truncation: 'auto',
  });
  expect((await post('/v1/responses', references(2))).status).toBe(200);
  expect(await post('/v1/responses', references(2000))).toMatchObject({
    status: 400,
    body: { error: { code: 'context_length_exceeded', param: 'input' } },
  });
});

it('bounds the tools of a response as those of a chat', async () => {
  const tools = Array.from({ length: 129 }, (_, i) => ({ type: 'function', name: `f${i}` }));
  expect(await post('/v1/responses', { input: 'Hi', tools })).toMatchObject({
    status: 400,
    body: { error: { param: 'tools' } },
  });
});

it('bounds the depth of a schema that comes as text', async () => {
  const guided_json = `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
  expect(
    await post('/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }], guided_json }),
  ).toMatchObject({ status: 400, body: { error: { param: 'guided_json' } } });
});

it('bounds the items of a list', async () => {
  const messages = Array.from({ length: 10_001 }, () => ({ role: 'user', content: '' }));
  expect(await post('/v1/chat/completions', { messages })).toMatchObject({
    status: 400,
    body: { error: { param: 'messages' } },
  });
});
