/** OpenAI's API, under `/v1`. */
import type { Hono } from 'hono';
import { handle, type Protocol, refuseOthers } from '../protocol.js';
import type { AppEnv, Service } from '../service.js';
import { mountBatches } from './batches/routes.js';
import { chatCompletion } from './chat.js';
import { textCompletion } from './completions.js';
import { openaiDocs } from './docs.js';
import { embeddings } from './embeddings.js';
import { errorResponse } from './errors.js';
import { mountFiles } from './files/routes.js';
import { modelEntry } from './models.js';
import { moderation } from './moderations.js';
import { responseRoutes } from './responses/routes.js';
import { responseStore } from './stores.js';
import { detokenize, tokenize } from './tokenize.js';

export const openai: Protocol = {
  name: 'openai',
  prefixes: ['/v1/'],
  error: errorResponse,
  docs: openaiDocs,
  mount(app, service) {
    openaiRoutes(app, service, '/v1');
    // Where vLLM has them.
    tokenRoutes(app, service, '');
    mountBatches(app, service, mountFiles(app, service));
  },
};

/** Mounts the API under `base`: `/v1`, or where another protocol has a compatible twin. */
export function openaiRoutes(app: Hono<AppEnv>, service: Service, base: string): void {
  const { hub } = service;
  app.get(`${base}/models`, (c) => c.json({ object: 'list', data: hub.list().map(modelEntry) }));
  // A served name may hold slashes.
  app.get(`${base}/models/:id{.+}`, (c) => c.json(modelEntry(hub.find(c.req.param('id')))));
  const posts = {
    'chat/completions': chatCompletion,
    completions: textCompletion,
    embeddings,
    moderations: moderation,
  };
  for (const [path, handler] of Object.entries(posts)) app.post(`${base}/${path}`, handle(service, handler));
  refuseOthers(app, 'GET, HEAD', [`${base}/models`, `${base}/models/:id{.+}`]);
  refuseOthers(
    app,
    'POST',
    Object.keys(posts).map((path) => `${base}/${path}`),
  );
  tokenRoutes(app, service, base);
  responseRoutes(app, service, base, responseStore(service));
}

function tokenRoutes(app: Hono<AppEnv>, service: Service, base: string): void {
  app.post(`${base}/tokenize`, handle(service, tokenize));
  app.post(`${base}/detokenize`, handle(service, detokenize));
  refuseOthers(app, 'POST', [`${base}/tokenize`, `${base}/detokenize`]);
}
