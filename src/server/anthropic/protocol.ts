/** Anthropic's Messages API. It shares `/v1/models` with OpenAI's; the header `anthropic-version` tells them apart. */
import type { Context } from 'hono';
import { HttpError } from '../http-error.js';
import { handle, type Protocol, refuseOthers } from '../protocol.js';
import type { AppEnv } from '../service.js';
import { anthropicDocs } from './docs.js';
import { errorResponse } from './errors.js';
import { countTokens, createMessage } from './messages.js';
import { modelInfo, modelPage } from './models.js';

const speaks = (request: Request): boolean => request.headers.has('anthropic-version');

export const anthropic: Protocol = {
  name: 'anthropic',
  prefixes: ['/v1/messages'],
  speaks,
  docs: anthropicDocs,
  error: errorResponse,
  mount(app, service) {
    const named = (c: Context<AppEnv>, body: object) => c.json(body, 200, { 'request-id': c.get('requestId') });
    app.get('/v1/models', async (c, next) => (speaks(c.req.raw) ? named(c, modelPage(service, c)) : next()));
    app.get('/v1/models/:id{.+}', async (c, next) =>
      speaks(c.req.raw) ? named(c, modelInfo(service.hub.find(c.req.param('id')))) : next(),
    );
    app.post('/v1/messages', handle(service, createMessage));
    app.post('/v1/messages/count_tokens', handle(service, countTokens));
    for (const path of ['/v1/messages/batches', '/v1/messages/batches/*'])
      app.all(path, () => {
        const message = 'Batches of messages are not supported; OpenAI’s /v1/batches is, with /v1/chat/completions.';
        throw new HttpError(404, 'unsupported_endpoint', message);
      });
    refuseOthers(app, 'POST', ['/v1/messages', '/v1/messages/count_tokens']);
  },
};
