/** OpenAI's API, under `/v1`. */
import type { Hono } from 'hono';
import { handle, type Protocol, refuseOthers } from '../protocol.js';
import type { AppEnv, Service } from '../service.js';
import { mountBatches } from './batches/routes.js';
import { chatCompletion } from './chat.js';
import { textCompletion } from './completions.js';
import { errorResponse } from './errors.js';
import { mountFiles } from './files/routes.js';
import { modelEntry } from './models.js';

export const openai: Protocol = {
  name: 'openai',
  prefixes: ['/v1/'],
  error: errorResponse,
  docs: [],
  mount(app, service) {
    openaiRoutes(app, service, '/v1');
    mountBatches(app, service, mountFiles(app, service));
  },
};

/** Mounts the API under `base`: `/v1`, or where another protocol has a compatible twin. */
export function openaiRoutes(app: Hono<AppEnv>, service: Service, base: string): void {
  const { hub } = service;
  app.get(`${base}/models`, (c) => c.json({ object: 'list', data: hub.list().map(modelEntry) }));
  // A served name may hold slashes.
  app.get(`${base}/models/:id{.+}`, (c) => c.json(modelEntry(hub.find(c.req.param('id')))));
  app.post(`${base}/chat/completions`, handle(service, chatCompletion));
  app.post(`${base}/completions`, handle(service, textCompletion));
  refuseOthers(app, 'GET, HEAD', [`${base}/models`, `${base}/models/:id{.+}`]);
  refuseOthers(app, 'POST', [`${base}/chat/completions`, `${base}/completions`]);
}
