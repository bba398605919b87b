/** `/v1/files`: what batches read and write. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Hono } from 'hono';
import type { Call } from '../../call.js';
import { handle, refuseOthers } from '../../protocol.js';
import type { AppEnv, Service } from '../../service.js';
import { page } from '../page.js';
import { FileStore, type StoredFile } from './store.js';
import { receiveUpload } from './upload.js';

/** OpenAI's limit for one file. */
const FILE_LIMIT = 512 << 20;

export function mountFiles(app: Hono<AppEnv>, service: Service): FileStore {
  const store = new FileStore(join(service.data, 'files'));
  const find = (call: Call, id: string) => store.get(id, call.key?.id);
  app.post(
    '/v1/files',
    handle(service, async (call) =>
      Response.json(fileObject(await receiveUpload(call.request, store, call.key?.id, FILE_LIMIT))),
    ),
  );
  app.get(
    '/v1/files',
    handle(service, async (call, c) => {
      const purpose = c.req.query('purpose');
      const files = (await store.list(call.key?.id)).filter((file) => !purpose || file.purpose === purpose);
      if (c.req.query('order') === 'asc') files.reverse();
      return Response.json(page(files.map(fileObject), c.req.query('after'), c.req.query('limit'), 10_000));
    }),
  );
  app.get(
    '/v1/files/:id',
    handle(service, async (call, c) => Response.json(fileObject(await find(call, c.req.param('id') ?? '')))),
  );
  app.delete(
    '/v1/files/:id',
    handle(service, async (call, c) => {
      const file = await find(call, c.req.param('id') ?? '');
      await store.delete(file);
      return Response.json({ id: file.id, object: 'file', deleted: true });
    }),
  );
  app.get(
    '/v1/files/:id/content',
    handle(service, async (call, c) => {
      const file = await find(call, c.req.param('id') ?? '');
      // Who asks for the head alone reads nothing, and what nobody reads is never closed.
      const content = c.req.method === 'HEAD' ? null : (Readable.toWeb(store.read(file)) as ReadableStream);
      return new Response(content, {
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(file.bytes),
          // A name that a client chose must not become markup or another header.
          'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(Buffer.from(file.filename).toString())}`,
        },
      });
    }),
  );
  refuseOthers(app, 'GET, POST, HEAD', ['/v1/files']);
  refuseOthers(app, 'GET, DELETE, HEAD', ['/v1/files/:id']);
  refuseOthers(app, 'GET, HEAD', ['/v1/files/:id/content']);
  return store;
}

function fileObject({ id, bytes, created, filename, purpose }: StoredFile) {
  return { id, object: 'file', bytes, created_at: created, filename, purpose, status: 'processed' };
}
