import type { RouteDoc } from '../route-doc.js';
import { chatRequest, embeddingsRequest, embedRequest, generateRequest, showRequest } from './schema.js';

export const ollamaDocs: readonly RouteDoc[] = [
  { method: 'post', path: '/api/chat', summary: 'Answer a conversation (Ollama)', body: chatRequest, stream: 'ndjson' },
  {
    method: 'post',
    path: '/api/generate',
    summary: 'Answer a prompt (Ollama)',
    body: generateRequest,
    stream: 'ndjson',
  },
  { method: 'post', path: '/api/embed', summary: 'Turn texts into vectors (Ollama)', body: embedRequest },
  { method: 'post', path: '/api/embeddings', summary: 'Turn one text into a vector (Ollama)', body: embeddingsRequest },
  { method: 'get', path: '/api/tags', summary: 'List the models (Ollama)' },
  { method: 'post', path: '/api/show', summary: 'Describe a model (Ollama)', body: showRequest },
  { method: 'get', path: '/api/ps', summary: 'List the models in memory (Ollama)' },
  { method: 'get', path: '/api/version', summary: 'Say whose API this is (Ollama)' },
];
