import type { RouteDoc } from '../route-doc.js';
import { countRequest, messageRequest } from './schema.js';

export const anthropicDocs: readonly RouteDoc[] = [
  {
    method: 'post',
    path: '/v1/messages',
    summary: 'Answer a conversation (Anthropic)',
    body: messageRequest,
    stream: 'sse',
  },
  {
    method: 'post',
    path: '/v1/messages/count_tokens',
    summary: 'Count the tokens of a conversation (Anthropic)',
    body: countRequest,
  },
];
