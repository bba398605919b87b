/** Whatever a client sends to Anthropic's, DashScope's and Ollama's routes: an answer or an error in their shape. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextModel } from '../src/generate/model.js';
import { createApp } from '../src/server/app.js';
import { CHATML } from '../src/tokenizer/chat-template.js';
import { ByteTokenizer, ScriptedEngine } from './scripted-engine.js';

const tokenizer = new ByteTokenizer();
const engine = new ScriptedEngine(() => tokenizer.encode('Hello you<|im_end|>', { control: true }));
const parts = { name: 'tiny', path: 'tiny', engine, tokenizer, chatTemplate: CHATML };
const app = createApp(new TextModel({ ...parts, generationConfig: {}, config: {} }));

const messages = [{ role: 'user', content: 'Hi' }];
const names = [
  ...['model', 'messages', 'prompt', 'input', 'texts', 'parameters', 'options', 'system', 'format', 'think', 'tools'],
  ...[
    'role',
    'content',
    'type',
    'text',
    'name',
    'id',
    'function',
    'arguments',
    'tool_calls',
    'tool_choice',
    'thinking',
  ],
  ...['stop', 'stop_sequences', 'stream', 'max_tokens', 'n', 'seed', 'temperature', 'top_k', 'raw', 'logprobs'],
  ...['result_format', 'incremental_output', 'response_format', 'output_config', 'input_schema', 'dimension'],
  ...['__proto__', 'constructor', 'toString'],
];
const words = ['tiny', 'user', 'assistant', 'tool', 'system', 'text', 'tool_use', 'tool_result', 'thinking', 'json'];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(...words, 'message', 'auto', 'enabled', 1, 0, -1, 0.5, 1e9, true, false, null, ''),
  fc.constant(messages),
  fc.jsonValue({ maxDepth: 1 }),
);
const { wild } = fc.letrec<{ wild: unknown }>((tie) => ({
  wild: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.dictionary(fc.constantFrom(...names), tie('wild'), { maxKeys: 5 }),
    fc.array(tie('wild'), { maxLength: 4 }),
  ),
}));
const changes = fc.dictionary(fc.constantFrom(...names), wild, { maxKeys: 4 });

const TEXT = '/api/v1/services/aigc/text-generation/generation';
/** Path, a body that is right, and where else than at its top fields are changed. */
const routes: [path: string, right: Record<string, unknown>, inside: string][] = [
  ['/v1/messages', { model: 'tiny', max_tokens: 9, messages }, 'thinking'],
  ['/v1/messages/count_tokens', { model: 'tiny', messages }, 'output_config'],
  [TEXT, { model: 'tiny', input: { messages } }, 'parameters'],
  ['/api/v1/services/aigc/multimodal-generation/generation', { model: 'tiny', input: { messages } }, 'parameters'],
  [
    '/api/v1/services/embeddings/text-embedding/text-embedding',
    { model: 'tiny', input: { texts: ['a'] } },
    'parameters',
  ],
  ['/api/chat', { model: 'tiny', messages }, 'options'],
  ['/api/generate', { model: 'tiny', prompt: 'Hi' }, 'options'],
  ['/api/embed', { model: 'tiny', input: 'Hi' }, 'options'],
  ['/api/embeddings', { model: 'tiny', prompt: 'Hi' }, 'options'],
  ['/api/show', { model: 'tiny' }, 'options'],
];

/** What an error says, in the path's shape. */
function complaint(path: string, body: { error?: unknown; message?: unknown }): unknown {
  if (path.startsWith('/v1/')) return (body.error as { message: unknown }).message;
  return path.startsWith('/api/v1/') ? body.message : body.error;
}

it.each(routes)('random bodies never break %s', async (path, right, inside) => {
  const body = fc.oneof(
    fc.tuple(changes, changes).map(([top, deep]) => ({ ...right, ...top, [inside]: deep })),
    changes.map((top) => ({ ...right, ...top })),
    wild,
  );
  await fc.assert(
    fc.asyncProperty(body, fc.boolean(), async (value, streamed) => {
      const headers: Record<string, string> = streamed ? { 'x-dashscope-sse': 'enable' } : {};
      const response = await app.request(path, { method: 'POST', body: JSON.stringify(value), headers });
      const answer = await response.text();
      expect(response.status, answer).toBeLessThan(500);
      if (response.status === 200) expect(answer).not.toMatch(/"(error|code)":|event:error/);
      else expect(complaint(path, JSON.parse(answer))).toMatch(/\S/);
      expect(Object.prototype).not.toHaveProperty('model');
    }),
    { numRuns: 200 },
  );
});
