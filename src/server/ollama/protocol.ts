/** Ollama's API under `/api`. Models are served, not managed: they cannot be fetched, made or deleted. */
import { HttpError } from '../http-error.js';
import { handle, type Protocol, refuseOthers } from '../protocol.js';
import { ollamaDocs } from './docs.js';
import { embed, embedOne } from './embed.js';
import { errorResponse } from './errors.js';
import { chat, generate } from './generation.js';
import { listLoaded, listModels, showModel } from './models.js';

/** The version of Ollama whose API this is: clients ask before they use what is new. */
const VERSION = '0.12.11';

const MANAGED = ['/api/pull', '/api/push', '/api/create', '/api/copy', '/api/delete', '/api/blobs/*'];

export const ollama: Protocol = {
  name: 'ollama',
  prefixes: ['/api/'],
  docs: ollamaDocs,
  error: errorResponse,
  mount(app, service) {
    app.get('/api/version', (c) => c.json({ version: VERSION }));
    app.get('/api/tags', async (c) => c.json(await listModels(service)));
    app.get('/api/ps', async (c) => c.json(await listLoaded(service)));
    app.post(
      '/api/show',
      handle(service, async (call) => Response.json(showModel(service, await call.json()))),
    );
    app.post('/api/chat', handle(service, chat));
    app.post('/api/generate', handle(service, generate));
    app.post('/api/embed', handle(service, embed));
    app.post('/api/embeddings', handle(service, embedOne));
    for (const path of MANAGED)
      app.all(path, (c) => {
        const message = `${c.req.path} is not supported: this server's models are set when it is started.`;
        throw new HttpError(501, 'unsupported_endpoint', message);
      });
    refuseOthers(app, 'GET, HEAD', ['/api/version', '/api/tags', '/api/ps']);
    refuseOthers(app, 'POST', ['/api/show', '/api/chat', '/api/generate', '/api/embed', '/api/embeddings']);
  },
};
