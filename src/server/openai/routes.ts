/** The routes of OpenAI's API, mounted under `/v1`. */
import { Hono } from 'hono';
import type { AppEnv, Service } from '../app.js';
import { HttpError } from '../http-error.js';
import type { Ticket } from '../lifecycle.js';
import { chatCompletion } from './chat.js';
import { textCompletion } from './completions.js';
import { findModel, modelEntry, servedModels } from './models.js';

type Handler = (request: Request, service: Service, ticket: Ticket) => Promise<Response>;

export function openaiRoutes(service: Service): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get('/models', (c) =>
    c.json({ object: 'list', data: servedModels(service).map((served) => modelEntry(service, served)) }),
  );
  // A served name may hold slashes.
  routes.get('/models/:id{.+}', (c) => c.json(modelEntry(service, findModel(service, c.req.param('id')))));
  routes.post('/chat/completions', (c) => admitted(chatCompletion, c.req.raw, service));
  routes.post('/completions', (c) => admitted(textCompletion, c.req.raw, service));

  refuseOthers(routes, 'GET, HEAD', ['/models', '/models/:id{.+}']);
  refuseOthers(routes, 'POST', ['/chat/completions', '/completions']);
  return routes;
}

/** A stream keeps its place until its last byte; everything else leaves with the response. */
async function admitted(handler: Handler, request: Request, service: Service): Promise<Response> {
  const ticket = service.lifecycle.admit(request);
  let streaming = false;
  try {
    const response = await handler(request, service, ticket);
    streaming = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    return response;
  } finally {
    if (!streaming) ticket.leave();
  }
}

function refuseOthers(routes: Hono<AppEnv>, allow: string, paths: readonly string[]): void {
  for (const path of paths) {
    routes.all(path, (c) => {
      const message = `${c.req.method} is not allowed for ${c.req.path}: use ${allow}.`;
      throw new HttpError(405, 'method_not_allowed', message, { headers: { allow } });
    });
  }
}
