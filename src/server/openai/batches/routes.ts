/** `/v1/batches`. */
import { join } from 'node:path';
import type { Hono } from 'hono';
import { z } from 'zod';
import { parseBody } from '../../fields.js';
import { handle, refuseOthers } from '../../protocol.js';
import type { AppEnv, Service } from '../../service.js';
import { metadata } from '../fields.js';
import type { FileStore } from '../files/store.js';
import { page } from '../page.js';
import { batchObject, ENDPOINTS } from './batch.js';
import { BatchRunner } from './runner.js';

export const batchRequest = z.object({
  input_file_id: z.string(),
  endpoint: z.enum(ENDPOINTS, `expected one of ${ENDPOINTS.join(', ')}`),
  completion_window: z.literal('24h', 'expected "24h"'),
  metadata,
});

export function mountBatches(app: Hono<AppEnv>, service: Service, files: FileStore): void {
  const runner = new BatchRunner(service, files, join(service.data, 'batches'));
  const ready = runner.resume().catch(service.report);
  const answer = ({ batch, counts }: ReturnType<BatchRunner['get']>) => batchObject(batch, counts());
  app.post(
    '/v1/batches',
    handle(service, async (call) => {
      await ready;
      const request = parseBody(batchRequest, await call.json());
      const owner = call.key?.id;
      const input = await files.get(request.input_file_id, owner);
      return Response.json(
        answer(await runner.create({ endpoint: request.endpoint, input, metadata: request.metadata ?? null, owner })),
      );
    }),
  );
  app.get(
    '/v1/batches',
    handle(service, async (call, c) => {
      await ready;
      const all = runner.list(call.key?.id).map((job) => ({ id: job.batch.id, job }));
      const { data, ...rest } = page(all, c.req.query('after'), c.req.query('limit') ?? '20', 100);
      return Response.json({ ...rest, data: data.map(({ job }) => answer(job)) });
    }),
  );
  app.get(
    '/v1/batches/:id',
    handle(service, async (call, c) => {
      await ready;
      return Response.json(answer(runner.get(c.req.param('id') ?? '', call.key?.id)));
    }),
  );
  app.post(
    '/v1/batches/:id/cancel',
    handle(service, async (call, c) => {
      await ready;
      const job = runner.get(c.req.param('id') ?? '', call.key?.id);
      await runner.cancel(job);
      return Response.json(answer(job));
    }),
  );
  refuseOthers(app, 'GET, POST, HEAD', ['/v1/batches']);
  refuseOthers(app, 'GET, HEAD', ['/v1/batches/:id']);
  refuseOthers(app, 'POST', ['/v1/batches/:id/cancel']);
}
