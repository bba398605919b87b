/** The routes of stored responses. */
import type { Context, Hono } from 'hono';
import { HttpError } from '../../http-error.js';
import { handle, refuseOthers } from '../../protocol.js';
import type { AppEnv, Service } from '../../service.js';

import { page } from '../page.js';
import { ownerOf } from '../stores.js';
import { notFound } from './context.js';
import { createResponse } from './create.js';
import type { ResponseStore } from './store.js';

export function responseRoutes(app: Hono<AppEnv>, service: Service, base: string, store: ResponseStore): void {
  const stored = async (c: Context<AppEnv>) => {
    const id = c.req.param('id') ?? '';
    const found = await store.get(id, ownerOf(c));
    if (!found) throw notFound(id);
    return found;
  };
  app.post(
    `${base}/responses`,
    handle(service, (call) => createResponse(call, store)),
  );
  app.get(`${base}/responses/:id`, async (c) => {
    if (c.req.query('stream') === 'true') {
      const message = "Invalid 'stream': a response that has ended cannot be streamed again.";
      throw new HttpError(400, 'unsupported_parameter', message, { param: 'stream' });
    }
    return c.json((await stored(c)).response);
  });
  app.get(`${base}/responses/:id/input_items`, async (c) => {
    const { input } = await stored(c);
    const items = c.req.query('order') === 'asc' ? input : [...input].reverse();
    return c.json(page(items, c.req.query('after'), c.req.query('limit') ?? '20', 100));
  });
  app.post(`${base}/responses/:id/cancel`, async (c) => {
    await stored(c);
    const message = 'Only a response that works in the background could be cancelled, and this server has none.';
    throw new HttpError(400, 'invalid_value', message, { param: 'response_id' });
  });
  app.delete(`${base}/responses/:id`, async (c) => {
    const { response } = await stored(c);
    await store.delete(response.id);
    return c.json({ id: response.id, object: 'response', deleted: true });
  });
  refuseOthers(app, 'POST', [`${base}/responses`, `${base}/responses/:id/cancel`]);
  refuseOthers(app, 'GET, HEAD', [`${base}/responses/:id/input_items`]);
  refuseOthers(app, 'GET, HEAD, DELETE', [`${base}/responses/:id`]);
}
