/** DashScope's own API under `/api/v1`, and its OpenAI-compatible mode. */
import { openaiRoutes } from '../openai/protocol.js';
import { handle, type Protocol, refuseOthers } from '../protocol.js';
import { compatibleDocs, dashscopeDocs } from './docs.js';
import { textEmbedding } from './embedding.js';
import { errorResponse } from './errors.js';
import { multimodalGeneration, textGeneration } from './generation.js';

const TEXT = '/api/v1/services/aigc/text-generation/generation';
const EMBEDDING = '/api/v1/services/embeddings/text-embedding/text-embedding';
const MULTIMODAL = '/api/v1/services/aigc/multimodal-generation/generation';

export const dashscope: Protocol = {
  name: 'dashscope',
  prefixes: ['/api/v1/'],
  docs: [...dashscopeDocs, ...compatibleDocs],
  error: errorResponse,
  mount(app, service) {
    app.post(TEXT, handle(service, textGeneration));
    app.post(MULTIMODAL, handle(service, multimodalGeneration));
    app.post(EMBEDDING, handle(service, textEmbedding));
    refuseOthers(app, 'POST', [TEXT, MULTIMODAL, EMBEDDING]);
    openaiRoutes(app, service, '/compatible-mode/v1');
  },
};
