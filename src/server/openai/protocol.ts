/** OpenAI's API, under `/v1`. */
import { handle, type Protocol, refuseOthers } from '../protocol.js';
import { chatCompletion } from './chat.js';
import { textCompletion } from './completions.js';
import { errorResponse } from './errors.js';
import { modelEntry } from './models.js';

export const openai: Protocol = {
  name: 'openai',
  prefixes: ['/v1/'],
  error: errorResponse,
  mount(app, service) {
    const { hub } = service;
    app.get('/v1/models', (c) => c.json({ object: 'list', data: hub.list().map(modelEntry) }));
    // A served name may hold slashes.
    app.get('/v1/models/:id{.+}', (c) => c.json(modelEntry(hub.find(c.req.param('id')))));
    app.post('/v1/chat/completions', handle(service, chatCompletion));
    app.post('/v1/completions', handle(service, textCompletion));
    refuseOthers(app, 'GET, HEAD', ['/v1/models', '/v1/models/:id{.+}']);
    refuseOthers(app, 'POST', ['/v1/chat/completions', '/v1/completions']);
  },
};
