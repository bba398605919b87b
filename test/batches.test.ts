import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { listen, type RunningServer } from '../src/server/listen.js';
import { type BatchServer, startBatchServer } from './batch-server.js';
import { scriptedModel } from './scripted-engine.js';

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-batches-'));
afterAll(() => rmSync(folder, { recursive: true }));
const children: BatchServer[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

const clientOf = ({ url }: { url: string }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
const line = (i: number, content = `Say ${i}`) =>
  JSON.stringify({
    custom_id: `request-${i}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { messages: [{ role: 'user', content }], max_tokens: 16 },
  });
const lines = (count: number) => Array.from({ length: count }, (_, i) => line(i)).join('\n');

async function submit(client: OpenAI, text: string, endpoint = '/v1/chat/completions' as const) {
  const file = await client.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
  return client.batches.create({ input_file_id: file.id, endpoint, completion_window: '24h' });
}

async function until(client: OpenAI, id: string, wanted: (batch: OpenAI.Batch) => boolean): Promise<OpenAI.Batch> {
  for (let tries = 0; tries < 600; tries++) {
    const batch = await client.batches.retrieve(id);
    if (wanted(batch)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it takes too long');
}
const over = ({ status }: OpenAI.Batch) => ['completed', 'failed', 'cancelled', 'expired'].includes(status);

async function results(client: OpenAI, id: string | undefined): Promise<{ custom_id: string; response: unknown }[]> {
  const text = await (await client.files.content(id!)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each));
}

describe('files and batches', () => {
  let server: RunningServer;
  const serve = async () => {
    const { model } = scriptedModel('Hello\u2028you');
    server = await listen(model, { port: 0, data: join(folder, 'own') });
    return clientOf(server);
  };
  afterEach(() => server.close(0));

  it('keeps files, and gives them back as they were', async () => {
    const client = await serve();
    const file = await client.files.create({
      file: await toFile(Buffer.from('a\nb'), '../../ä"\r\n.jsonl'),
      purpose: 'batch',
    });
    expect(file).toMatchObject({ object: 'file', bytes: 3, purpose: 'batch' });
    expect(await (await client.files.content(file.id)).text()).toBe('a\nb');
    expect((await client.files.list()).data.map(({ id }) => id)).toContain(file.id);
    expect(await client.files.delete(file.id)).toMatchObject({ deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404, code: 'file_not_found' });
    for (const id of ['..%2f..%2fetc%2fpasswd', '__proto__', 'file-x'])
      await expect(client.files.retrieve(id)).rejects.toMatchObject({ status: 404 });
    await expect(
      client.files.create({ file: await toFile(Buffer.from('a'), 'a'), purpose: 'nothing' as never }),
    ).rejects.toMatchObject({ status: 400, param: 'purpose' });
  });

  it('answers each line once, and tells the bad ones apart', async () => {
    const client = await serve();
    const wrong = JSON.stringify({ ...JSON.parse(line(9)), body: { messages: 'none' } });
    const batch = await submit(client, `${lines(20).replace('request-9"', 'first"')}\n\n${wrong}\n`);
    const done = await until(client, batch.id, over);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 21, completed: 20, failed: 1 } });
    const good = await results(client, done.output_file_id);
    expect(new Set(good.map(({ custom_id }) => custom_id)).size).toBe(20);
    expect(good[0].response).toMatchObject({
      status_code: 200,
      body: { choices: [{ message: { content: 'Hello\u2028you' } }] },
    });
    const [bad, ...rest] = await results(client, done.error_file_id);
    expect(rest).toEqual([]);
    expect(bad).toMatchObject({ custom_id: 'request-9', response: { status_code: 400 } });
    expect((await client.batches.list()).data.map(({ id }) => id)).toContain(batch.id);
  });

  it('refuses an input that is not as it should be, line by line', async () => {
    const client = await serve();
    const batch = await submit(client, `${line(1)}\n${line(1)}\nnot json\n${line(2).replace('POST', 'GET')}`);
    const { status, errors } = await until(client, batch.id, over);
    expect(status).toBe('failed');
    expect(errors?.data?.map(({ line: at, code }) => [at, code])).toEqual([
      [2, 'duplicate_custom_id'],
      [3, 'invalid_json_line'],
      [4, 'invalid_method'],
    ]);
  });
});

describe('a batch whose server ends in the middle', () => {
  it('has every line exactly once after a kill and a restart', { timeout: 60_000 }, async () => {
    const data = join(folder, 'killed');
    let server = await startBatchServer(data);
    children.push(server);
    const { id } = await submit(clientOf(server), lines(1000));
    for (const share of [150, 500]) {
      await until(clientOf(server), id, ({ request_counts }) => request_counts!.completed >= share);
      await server.kill();
      // As a write that was cut off by the end of the machine leaves it.
      const journal = readdirSync(join(data, 'batches')).find((name) => name.endsWith('.journal'))!;
      writeFileSync(join(data, 'batches', journal), '{"line":999,"ok":true,"resu', { flag: 'a' });
      server = await startBatchServer(data);
      children.push(server);
    }
    const client = clientOf(server);
    const done = await until(client, id, over);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 1000, completed: 1000, failed: 0 } });
    const good = await results(client, done.output_file_id);
    expect(good.map(({ custom_id }) => custom_id).sort()).toEqual(
      Array.from({ length: 1000 }, (_, i) => `request-${i}`).sort(),
    );
  });

  it('waits while the disk is full, and loses and doubles nothing', { timeout: 60_000 }, async () => {
    const data = join(folder, 'full');
    let server = await startBatchServer(data, { fileBlocks: 60 });
    children.push(server);
    const { id } = await submit(clientOf(server), lines(200));
    const waiting = await until(clientOf(server), id, ({ errors }) => errors?.data?.[0].code === 'disk_full');
    expect(waiting.status).toBe('in_progress');
    await server.kill();
    server = await startBatchServer(data);
    children.push(server);
    const client = clientOf(server);
    const done = await until(client, id, over);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 200, completed: 200 }, errors: null });
    const good = await results(client, done.output_file_id);
    expect(new Set(good.map(({ custom_id }) => custom_id)).size).toBe(200);
    expect(good).toHaveLength(200);
  });
});
