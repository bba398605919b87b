/** What OpenAPI says of these routes. */
import type { RouteDoc } from '../route-doc.js';
import { batchRequest } from './batches/routes.js';
import { embeddingRequest } from './embeddings.js';
import { moderationRequest } from './moderations.js';
import { responseRequest } from './responses/schema.js';
import { chatRequest, completionRequest } from './schema.js';
import { detokenizeRequest, tokenizeRequest } from './tokenize.js';

const tokens: readonly RouteDoc[] = ['', '/v1'].flatMap((base): RouteDoc[] => [
  {
    method: 'post',
    path: `${base}/tokenize`,
    summary: 'Turn a text or a conversation into ids',
    body: tokenizeRequest,
  },
  { method: 'post', path: `${base}/detokenize`, summary: 'Turn ids into text', body: detokenizeRequest },
]);

export const openaiDocs: readonly RouteDoc[] = [
  { method: 'get', path: '/v1/models', summary: 'List what is served' },
  { method: 'get', path: '/v1/models/{id}', summary: 'Describe a served model' },
  {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation',
    body: chatRequest,
    stream: 'sse',
  },
  { method: 'post', path: '/v1/completions', summary: 'Continue a text', body: completionRequest, stream: 'sse' },
  {
    method: 'post',
    path: '/v1/responses',
    summary: 'Answer as items, and keep the answer to go on from',
    body: responseRequest,
    stream: 'sse',
  },
  { method: 'get', path: '/v1/responses/{id}', summary: 'Get a stored response' },
  { method: 'delete', path: '/v1/responses/{id}', summary: 'Delete a stored response' },
  { method: 'get', path: '/v1/responses/{id}/input_items', summary: 'List what a stored response answered' },
  {
    method: 'post',
    path: '/v1/responses/{id}/cancel',
    summary: 'Refused: no response works in the background',
  },
  { method: 'post', path: '/v1/embeddings', summary: 'Turn texts into vectors', body: embeddingRequest },
  {
    method: 'post',
    path: '/v1/moderations',
    summary: 'Ask the model which categories of harm a text belongs to',
    body: moderationRequest,
  },
  ...tokens,
  { method: 'post', path: '/v1/files', summary: 'Upload the requests of a batch', multipart: true },
  { method: 'get', path: '/v1/files', summary: 'List files' },
  { method: 'get', path: '/v1/files/{id}', summary: 'Describe a file' },
  { method: 'delete', path: '/v1/files/{id}', summary: 'Delete a file' },
  { method: 'get', path: '/v1/files/{id}/content', summary: 'Download a file' },
  { method: 'post', path: '/v1/batches', summary: 'Carry out the requests of a file', body: batchRequest },
  { method: 'get', path: '/v1/batches', summary: 'List batches' },
  { method: 'get', path: '/v1/batches/{id}', summary: 'See how far a batch is' },
  { method: 'post', path: '/v1/batches/{id}/cancel', summary: 'Cancel a batch' },
];
