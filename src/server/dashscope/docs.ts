import { openaiDocs } from '../openai/docs.js';
import type { RouteDoc } from '../route-doc.js';
import { embeddingRequest, generationRequest } from './schema.js';

const description = 'A stream with the header `X-DashScope-SSE: enable`.';

export const dashscopeDocs: readonly RouteDoc[] = [
  {
    method: 'post',
    path: '/api/v1/services/aigc/text-generation/generation',
    summary: 'Answer a conversation (DashScope)',
    description,
    body: generationRequest,
    stream: 'sse',
  },
  {
    method: 'post',
    path: '/api/v1/services/aigc/multimodal-generation/generation',
    summary: 'Answer a conversation of parts, text only (DashScope)',
    description,
    body: generationRequest,
    stream: 'sse',
  },
  {
    method: 'post',
    path: '/api/v1/services/embeddings/text-embedding/text-embedding',
    summary: 'Turn texts into vectors (DashScope)',
    body: embeddingRequest,
  },
];

/** The compatible mode has OpenAI's routes but for files and batches. */
const COMPATIBLE = /^\/v1\/(?!files|batches)/;

export const compatibleDocs: readonly RouteDoc[] = openaiDocs
  .filter(({ path }) => COMPATIBLE.test(path))
  .map((doc) => ({ ...doc, path: `/compatible-mode${doc.path}`, summary: `${doc.summary} (compatible mode)` }));
