import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountPage } from './page.js';
import type { AppEnv } from './service.js';

const SCRIPT = 'console.log("page");';
let folder: string;
const app = new Hono<AppEnv>();
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  app.request(path, { headers, method });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-page-'));
  mkdirSync(join(folder, 'web/assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.html'), 'secret');
  writeFileSync(join(folder, 'web/index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'web/.built'), '');
  writeFileSync(join(folder, 'web/assets/a-1.js'), SCRIPT);
  writeFileSync(join(folder, 'web/assets/a-1.js.br'), brotliCompressSync(SCRIPT));
  writeFileSync(join(folder, 'web/assets/a-1.js.gz'), gzipSync(SCRIPT));
  mountPage(app, join(folder, 'web'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the files of the page', () => {
  it('come with their types and a policy that runs nothing inline', async () => {
    const page = await get('/');
    expect(await page.text()).toBe('<!doctype html>');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
    const script = await get('/assets/a-1.js');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(script.headers.get('cache-control')).toContain('immutable');
    expect(await script.text()).toBe(SCRIPT);
  });

  it('answer HEAD with headers alone', async () => {
    const head = await get('/', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '15', '']);
  });

  it('are sent compressed to those who can read it, and only once', async () => {
    const packed = await get('/assets/a-1.js', { 'accept-encoding': 'gzip, deflate, br' });
    expect(packed.headers.get('content-encoding')).toBe('br');
    expect(brotliDecompressSync(new Uint8Array(await packed.arrayBuffer())).toString()).toBe(SCRIPT);
    const gzip = await get('/assets/a-1.js', { 'accept-encoding': 'br;q=0, gzip' });
    expect(gzip.headers.get('content-encoding')).toBe('gzip');
    const etag = packed.headers.get('etag') ?? '';
    expect(gzip.headers.get('etag')).not.toBe(etag);
    const again = await get('/assets/a-1.js', { 'accept-encoding': 'br', 'if-none-match': `"x", W/${etag}` });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it('are the only ones: no path leads out of the folder or to what is no part of the page', async () => {
    for (const path of [
      ...[
        '/../secret.html',
        '/%2e%2e/secret.html',
        '/..%2fsecret.html',
        '/assets/../../secret.html',
        '/..\\secret.html',
      ],
      ...['/.built', '/assets/', '/assets/a-1.js.br', '/assets/a-1.js%00', '/secret.html', '/__proto__'],
    ]) {
      const response = await get(path);
      expect([path, response.status, (await response.text()).includes('secret')]).toEqual([path, 404, false]);
    }
  });

  it('may be missing', async () => {
    const bare = new Hono<AppEnv>();
    mountPage(bare, join(folder, 'web/assets'));
    const response = await bare.request('/');
    expect([response.status, await response.text()]).toEqual([404, expect.stringContaining('npm run build')]);
  });
});
