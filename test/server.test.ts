import { connect } from 'node:net';
import fc from 'fast-check';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KaiwenError } from '../src/errors.js';
import type { ChatMessage, ChatOptions, Model, TextEvent } from '../src/generate/api.js';
import { createApp } from '../src/server/app.js';
import { listen, type RunningServer } from '../src/server/listen.js';

type Script = (prompt: string, options: ChatOptions, messages: readonly ChatMessage[]) => AsyncIterable<TextEvent>;

/** What the model does in the next call, and what the last one was given. */
let script: Script;
let last: { options: ChatOptions; messages: readonly ChatMessage[]; prompt: string | readonly number[] };

const stats = { promptTokens: 7, cachedTokens: 3, completionTokens: 2, prefillMs: 1, decodeMs: 1 };

function logprob(token: string) {
  const bytes = [...new TextEncoder().encode(token)];
  const other = { id: 9, token: 'no', bytes: [110, 111], logprob: Number.NEGATIVE_INFINITY };
  return { id: 5, token, bytes, logprob: -0.5, top: [{ id: 5, token, bytes, logprob: -0.5 }, other] };
}

/** "Hello" and " you", with the log-probabilities that were asked for. */
async function* hello(_prompt: string, options: ChatOptions): AsyncGenerator<TextEvent> {
  for (const text of ['Hello', ' you'])
    yield { type: 'text', text, ...(options.logprobs === undefined ? {} : { logprobs: [logprob(text)] }) };
  yield { type: 'done', reason: 'stop', stats };
}

/** Answers nothing until it is told to stop, and says when that was. */
function endless() {
  let aborted: () => void;
  const stopped = new Promise<void>((resolve) => {
    aborted = resolve;
  });
  const run: Script = async function* (_prompt, { signal }) {
    yield { type: 'text', text: 'on' };
    await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    aborted();
    yield { type: 'done', reason: 'aborted', stats };
  };
  return { run, stopped };
}

const model = {
  name: 'tiny',
  info: { context: 512, vocabSize: 1000, notices: [] },
  canThink: true,
  generate(prompt: string | readonly number[], options: ChatOptions = {}) {
    last = { options, messages: [], prompt };
    return script(String(prompt), options, []);
  },
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}) {
    last = { options, messages, prompt: '' };
    return script('', options, messages);
  },
  detokenize: (ids: Iterable<number>) => [...ids].map((id) => `<${id}>`).join(''),
} as unknown as Model;

let server: RunningServer;
let openai: OpenAI;
const logged: string[] = [];

beforeAll(async () => {
  script = hello;
  server = await listen(model, { port: 0, bodyLimit: 100_000, keepAliveMs: 200, log: (line) => logged.push(line) });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0, timeout: 20_000 });
});
afterEach(() => {
  script = hello;
});
afterAll(() => server.close());

const messages = [{ role: 'user' as const, content: 'Hi' }];

async function post(path: string, body: BodyInit, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${server.url}${path}`, {
    method: 'POST',
    body,
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  });
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('the openai client', () => {
  it('lists and describes the model', async () => {
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['tiny']);
    expect(await openai.models.retrieve('tiny')).toMatchObject({ id: 'tiny', object: 'model', owned_by: 'kaiwen' });
    await expect(openai.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('gets a chat answer with usage', async () => {
    const answer = await openai.chat.completions.create({ model: 'tiny', messages });
    expect(answer.object).toBe('chat.completion');
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello you', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(answer.usage).toEqual({
      prompt_tokens: 7,
      completion_tokens: 2,
      total_tokens: 9,
      prompt_tokens_details: { cached_tokens: 3 },
    });
  });

  it('gets the same answer as a stream, usage last', async () => {
    const request = { model: 'tiny', messages, stream: true, stream_options: { include_usage: true } } as const;
    const chunks = await collect(await openai.chat.completions.create(request));
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('Hello you');
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason ?? null)).toEqual([null, null, null, 'stop', null]);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 7, total_tokens: 9 } });
    expect(chunks[0].usage).toBeNull();
  });

  it('gets several answers, whose prompt counts once and whose seeds differ', async () => {
    const seeds: unknown[] = [];
    script = (prompt, options) => {
      seeds.push(options.seed);
      return hello(prompt, options);
    };
    const answer = await openai.chat.completions.create({ model: 'tiny', messages, n: 3, seed: -1 });
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 });
    expect(seeds).toEqual([4294967295, 0, 1]);
  });

  it('gets log-probabilities', async () => {
    const answer = await openai.chat.completions.create({ model: 'tiny', messages, logprobs: true, top_logprobs: 2 });
    expect(last.options.logprobs).toBe(2);
    expect(answer.choices[0].logprobs?.content?.map(({ token }) => token)).toEqual(['Hello', ' you']);
    expect(answer.choices[0].logprobs?.content?.[0].top_logprobs[1]).toEqual({
      token: 'no',
      logprob: -9999,
      bytes: [110, 111],
    });
    const text = await openai.completions.create({ model: 'tiny', prompt: 'a', logprobs: 2 });
    expect(text.choices[0].logprobs).toEqual({
      tokens: ['Hello', ' you'],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [
        { Hello: -0.5, no: -9999 },
        { ' you': -0.5, no: -9999 },
      ],
      text_offset: [0, 5],
    });
    const stream = await openai.completions.create({ model: 'tiny', prompt: 'a', logprobs: 0, stream: true });
    const offsets = (await collect(stream)).flatMap(({ choices }) => choices[0].logprobs?.text_offset ?? []);
    expect(offsets).toEqual([0, 5]);
  });

  it('gets thinking apart from the answer', async () => {
    script = async function* () {
      yield { type: 'thinking', text: 'Hm' };
      yield { type: 'text', text: 'Yes' };
      yield { type: 'done', reason: 'repetition', stats };
    };
    const answer = await openai.chat.completions.create({ model: 'tiny', messages });
    expect(answer.choices[0]).toMatchObject({
      message: { content: 'Yes', reasoning_content: 'Hm' },
      finish_reason: 'repetition',
    });
    const chunks = await collect(await openai.chat.completions.create({ model: 'tiny', messages, stream: true }));
    expect(chunks.slice(0, 3).map(({ choices }) => choices[0].delta)).toEqual([
      { role: 'assistant', content: '' },
      { reasoning_content: 'Hm' },
      { content: 'Yes' },
    ]);
  });

  it('continues text: several prompts, token ids, echo', async () => {
    const answer = await openai.completions.create({ model: 'tiny', prompt: ['a', 'b'], n: 2, echo: true });
    expect(answer.choices.map(({ text }) => text)).toEqual(['aHello you', 'aHello you', 'bHello you', 'bHello you']);
    expect(answer.usage).toMatchObject({ prompt_tokens: 14, completion_tokens: 8 });
    expect(last.options.maxTokens).toBe(16);
    const stream = await openai.completions.create({ model: 'tiny', prompt: [1, 2], echo: true, stream: true });
    expect((await collect(stream)).map(({ choices }) => choices[0].text)).toEqual(['<1><2>', 'Hello', ' you', '']);
    expect(last.prompt).toEqual([1, 2]);
  });

  it('receives an error in the middle of a stream', async () => {
    script = async function* () {
      yield { type: 'text', text: 'Hel' };
      throw new KaiwenError('internal', 'secret detail');
    };
    const stream = await openai.chat.completions.create({ model: 'tiny', messages, stream: true });
    const text: string[] = [];
    const reading = (async () => {
      for await (const { choices } of stream) text.push(choices[0].delta.content ?? '');
    })();
    await expect(reading).rejects.toMatchObject({ type: 'server_error', code: 'internal_error' });
    expect(text.join('')).toBe('Hel');
    expect(logged.some((line) => line.includes('secret detail'))).toBe(true);
  });

  it('stops the model when it goes away', async () => {
    const { run, stopped } = endless();
    script = run;
    const stream = await openai.chat.completions.create({ model: 'tiny', messages, stream: true });
    for await (const _ of stream) break;
    await stopped;
  });
});

it('stops the model when a client that waits for a whole answer goes away', async () => {
  const { run, stopped } = endless();
  script = run;
  const controller = new AbortController();
  const request = post('/v1/completions', JSON.stringify({ prompt: 'a' }), { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await expect(request).rejects.toThrow();
  await stopped;
});

it('hands every setting on in its own terms', async () => {
  const body = {
    messages: [
      {
        role: 'developer',
        content: [
          { type: 'text', text: 'Be ' },
          { type: 'text', text: 'brief' },
        ],
      },
      { role: 'assistant', content: 'Yes', reasoning_content: 'Hm' },
      { role: 'user', content: 'Go' },
    ],
    temperature: 0.5,
    top_p: 0.9,
    top_k: -1,
    min_p: 0.1,
    presence_penalty: 1,
    frequency_penalty: -1,
    repetition_penalty: 1.1,
    max_tokens: 5,
    max_completion_tokens: 6,
    stop: 'END',
    logit_bias: { 3: -100 },
    seed: 42,
    user: 'someone',
    unheard_of: { deep: [1] },
    tools: [],
    response_format: { type: 'text' },
    chat_template_kwargs: { enable_thinking: false },
    logprobs: null,
  };
  expect((await post('/v1/chat/completions', JSON.stringify(body))).status).toBe(200);
  const { signal, ...options } = last.options;
  expect(signal).toBeInstanceOf(AbortSignal);
  expect(options).toEqual({
    temperature: 0.5,
    topP: 0.9,
    topK: 0,
    minP: 0.1,
    presencePenalty: 1,
    frequencyPenalty: -1,
    repetitionPenalty: 1.1,
    maxTokens: 6,
    stop: ['END'],
    logitBias: { 3: -100 },
    seed: 42,
    think: false,
  });
  expect(last.messages).toEqual([
    { role: 'system', content: 'Be brief' },
    { role: 'assistant', content: 'Yes', thinking: 'Hm' },
    { role: 'user', content: 'Go' },
  ]);
});

it('takes null for absent', async () => {
  const names = [
    'model',
    'max_tokens',
    'temperature',
    'top_p',
    'top_k',
    'stop',
    'logit_bias',
    'n',
    'stream',
    'seed',
    'tools',
    'stream_options',
    'response_format',
    'suffix',
    'echo',
    'logprobs',
    'enable_thinking',
    'chat_template_kwargs',
  ];
  const nulls = Object.fromEntries(names.map((name) => [name, null]));
  expect((await post('/v1/chat/completions', JSON.stringify({ messages, ...nulls }))).status).toBe(200);
  expect((await post('/v1/completions', JSON.stringify({ prompt: 'a', ...nulls }))).status).toBe(200);
});

it('says when a conversation was trimmed, or refuses it if asked to', async () => {
  script = async function* (prompt, options) {
    yield { type: 'notice', message: '2 turns dropped' };
    yield* hello(prompt, options);
  };
  const trimmed = await post('/v1/chat/completions', JSON.stringify({ messages }));
  expect(await trimmed.json()).toMatchObject({ notices: ['2 turns dropped'] });
  const body = JSON.stringify({ messages, truncation: 'disabled', stream: true });
  const refused = await post('/v1/chat/completions', body);
  expect(refused.status).toBe(400);
  expect((await refused.json()).error.code).toBe('context_length_exceeded');
});

it('keeps a quiet stream alive with comments', async () => {
  script = async function* (prompt, options) {
    await new Promise((resolve) => setTimeout(resolve, 600));
    yield* hello(prompt, options);
  };
  const body = await (await post('/v1/completions', JSON.stringify({ prompt: 'a', stream: true }))).text();
  expect(body).toMatch(/^: waiting\n\n/);
  expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
});

describe('bad requests', () => {
  const chat = '/v1/chat/completions';
  const text = '/v1/completions';
  const of = (fields: object) => JSON.stringify({ messages, ...fields });
  const cases: [name: string, path: string, body: BodyInit, status: number, code: string, param: string | null][] = [
    ['no body', chat, '', 400, 'invalid_json', null],
    ['half a body', chat, '{"messages": [', 400, 'invalid_json', null],
    ['not UTF-8', chat, new Uint8Array([0x7b, 0xff, 0x7d]), 400, 'invalid_json', null],
    ['an array', chat, '[]', 400, 'invalid_type', null],
    ['a null', text, 'null', 400, 'invalid_type', null],
    ['too large', chat, `"${'x'.repeat(100_000)}"`, 413, 'request_too_large', null],
    ['no messages', chat, '{}', 400, 'missing_required_parameter', 'messages'],
    ['empty messages', chat, of({ messages: [] }), 400, 'invalid_value', 'messages'],
    [
      'a strange role',
      chat,
      of({ messages: [{ role: 'god', content: '' }] }),
      400,
      'invalid_value',
      'messages[0].role',
    ],
    [
      'content of a wrong type',
      chat,
      of({ messages: [{ role: 'user', content: 1 }] }),
      400,
      'invalid_type',
      'messages[0].content',
    ],
    [
      'an image',
      chat,
      of({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }),
      400,
      'invalid_value',
      'messages[0].content[0].type',
    ],
    ['another model', chat, of({ model: 'gpt-4' }), 404, 'model_not_found', 'model'],
    ['temperature as text', chat, of({ temperature: '1' }), 400, 'invalid_type', 'temperature'],
    ['temperature too high', chat, of({ temperature: 3 }), 400, 'invalid_value', 'temperature'],
    ['half a token', chat, of({ max_tokens: 1.5 }), 400, 'invalid_type', 'max_tokens'],
    ['no tokens', chat, of({ max_tokens: 0 }), 400, 'invalid_value', 'max_tokens'],
    ['five stops', chat, of({ stop: ['1', '2', '3', '4', '5'] }), 400, 'invalid_value', 'stop'],
    ['an empty stop', chat, of({ stop: '' }), 400, 'invalid_value', 'stop[0]'],
    ['bias of no token', chat, of({ logit_bias: { x: 1 } }), 400, 'invalid_value', 'logit_bias'],
    ['bias outside the vocabulary', chat, of({ logit_bias: { 1000: 1 } }), 400, 'invalid_value', 'logit_bias'],
    ['too many answers', chat, of({ n: 17 }), 400, 'invalid_value', 'n'],
    ['alternatives without logprobs', chat, of({ top_logprobs: 2 }), 400, 'invalid_value', 'top_logprobs'],
    ['tools', chat, of({ tools: [{ type: 'function' }] }), 400, 'unsupported_parameter', 'tools'],
    ['required tools', chat, of({ tool_choice: 'required' }), 400, 'unsupported_parameter', 'tool_choice'],
    [
      'a schema',
      chat,
      of({ response_format: { type: 'json_schema' } }),
      400,
      'unsupported_parameter',
      'response_format',
    ],
    ['audio', chat, of({ modalities: ['audio'] }), 400, 'unsupported_parameter', 'modalities'],
    ['a suffix', text, '{"prompt":"a","suffix":"b"}', 400, 'unsupported_parameter', 'suffix'],
    ['no prompt', text, '{}', 400, 'missing_required_parameter', 'prompt'],
    ['a prompt of a wrong type', text, '{"prompt":{}}', 400, 'invalid_type', 'prompt'],
    ['ids outside the vocabulary', text, '{"prompt":[1000]}', 400, 'invalid_value', 'prompt'],
    ['echoed logprobs', text, '{"prompt":"a","echo":true,"logprobs":1}', 400, 'unsupported_parameter', 'echo'],
    ['an unknown URL', '/v1/nothing', '{}', 404, 'unknown_url', null],
    ['an unknown URL outside', '/nothing', '{}', 404, 'unknown_url', null],
    ['a wrong method', '/v1/models', '{}', 405, 'method_not_allowed', null],
    ['a wrong method of health', '/health', '{}', 405, 'method_not_allowed', null],
  ];
  it.each(cases)('%s', async (_name, path, body, status, code, param) => {
    const response = await post(path, body);
    const { error } = await response.json();
    expect({ status: response.status, code: error.code, param: error.param }).toEqual({ status, code, param });
    expect(error.type).toBe('invalid_request_error');
    expect(error.message).toMatch(/\S/);
  });

  it('a GET where a POST belongs', async () => {
    const response = await fetch(`${server.url}${chat}`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  it.each([20, 100])('a body of %i times 10 kB that does not say how long it is', async (pieces) => {
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < pieces; i++) controller.enqueue(new Uint8Array(10_000).fill(32));
        controller.close();
      },
    });
    const response = await post(chat, body, { duplex: 'half' } as RequestInit);
    expect(response.status).toBe(413);
  });

  it.each([
    ['context_overflow', 400, 'context_length_exceeded'],
    ['bad_input', 400, 'invalid_value'],
    ['closed', 503, 'server_stopping'],
    ['internal', 500, 'internal_error'],
  ] as const)('a model that fails with %s, streamed or not', async (code, status, expected) => {
    script = async function* () {
      yield* [];
      throw new KaiwenError(code, 'the reason');
    };
    for (const stream of [false, true]) {
      const response = await post(chat, of({ stream }));
      expect(response.status).toBe(status);
      expect((await response.json()).error.code).toBe(expected);
    }
  });

  it('something that is not HTTP, and headers without end', async () => {
    const talk = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = '';
        const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
        socket.on('data', (data) => {
          answer += data;
        });
        socket.on('close', () => resolve(answer));
        socket.on('error', reject);
      });
    expect(await talk('HELLO\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*"code":"bad_request"/);
    const headers = `GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`;
    expect(await talk(headers)).toMatch(/^HTTP\/1.1 431 [\s\S]*"code":"headers_too_large"/);
  });

  it('random bodies never break the server', async () => {
    const names = [
      'model',
      'messages',
      'prompt',
      'stop',
      'n',
      'stream',
      'logit_bias',
      'logprobs',
      'top_logprobs',
      'seed',
      'echo',
      'temperature',
      'top_k',
      'tools',
      'response_format',
      'stream_options',
      'chat_template_kwargs',
      'max_tokens',
      '__proto__',
    ];
    const wild = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom(1, 2, true, 'tiny', 'a', -1),
      fc.constant(messages),
    );
    const body = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom(...names), wild),
      fc.dictionary(fc.constantFrom(...names), wild).map((fields) => ({ messages, prompt: 'a', ...fields })),
    );
    const app = createApp(model);
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom(chat, text), async (value, path) => {
        const response = await app.request(path, { method: 'POST', body: JSON.stringify(value) });
        expect(response.status).toBeLessThan(500);
        const answer = await response.text();
        if (response.status !== 200) expect(JSON.parse(answer).error.message).toMatch(/\S/);
        else if (response.headers.get('content-type')?.includes('event-stream')) expect(answer).toContain('[DONE]');
        else expect(JSON.parse(answer).choices.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('access', () => {
  const models = '/v1/models';
  it('needs the key where there is one', async () => {
    const app = createApp(model, { apiKey: 'right' });
    const status = async (authorization?: string) =>
      (await app.request(models, { headers: authorization ? { authorization } : {} })).status;
    expect(await status()).toBe(401);
    expect(await status('Bearer wrong')).toBe(401);
    expect(await status('Bearer right')).toBe(200);
    expect((await app.request('/health')).status).toBe(200);
  });

  it('turns away web pages and rebound names where there is none', async () => {
    const app = createApp(model, { cors: ['https://good.example'] });
    const status = async (url: string, origin?: string) =>
      (await app.request(url, { headers: origin ? { origin } : {} })).status;
    expect(await status('http://127.0.0.1:80/v1/models')).toBe(200);
    expect(await status('http://[::1]/v1/models')).toBe(200);
    expect(await status('http://evil.example/v1/models')).toBe(403);
    expect(await status('http://127.0.0.1.evil.example/v1/models')).toBe(403);
    expect(await status('http://localhost/v1/models', 'https://evil.example')).toBe(403);
    expect(await status('http://localhost/v1/models', 'null')).toBe(403);
    expect(await status('http://localhost/v1/models', 'https://good.example')).toBe(200);
    expect(await status('http://localhost/v1/models', 'http://localhost')).toBe(200);
  });

  it('sends CORS headers only where they were asked for', async () => {
    const origin = 'https://good.example';
    const get = (app: ReturnType<typeof createApp>) => app.request(models, { headers: { origin } });
    const allowed = (response: Response) => response.headers.get('access-control-allow-origin');
    expect(allowed(await get(createApp(model)))).toBeNull();
    expect(allowed(await get(createApp(model, { cors: [origin] })))).toBe(origin);
  });

  it('does not listen where others reach it without a key, nor on a port in use', async () => {
    await expect(listen(model, { host: '0.0.0.0', port: 0 })).rejects.toMatchObject({ code: 'usage' });
    await expect(listen(model, { port: server.port })).rejects.toMatchObject({ code: 'io' });
  });

  it('logs neither prompts nor queries', async () => {
    logged.length = 0;
    await post('/v1/chat/completions?secret', JSON.stringify({ messages: [{ role: 'user', content: 'secret' }] }));
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/^POST \/v1\/chat\/completions 200 /);
    expect(logged[0]).not.toContain('secret');
  });
});

describe('limits and stopping', () => {
  it('refuses more requests than it may hold', async () => {
    const { run } = endless();
    script = run;
    const small = await listen(model, { port: 0, maxRequests: 1 });
    const client = new OpenAI({ baseURL: `${small.url}/v1`, apiKey: 'none', maxRetries: 0 });
    await client.completions.create({ model: 'tiny', prompt: 'a', stream: true });
    await expect(client.completions.create({ model: 'tiny', prompt: 'a' })).rejects.toMatchObject({
      status: 503,
      code: 'overloaded',
    });
    await small.close(0);
  });

  it('lets running answers finish, then is gone', async () => {
    script = async function* (prompt, options) {
      yield { type: 'text', text: 'Well, ' };
      await new Promise((resolve) => setTimeout(resolve, 200));
      yield* hello(prompt, options);
    };
    const own = await listen(model, { port: 0 });
    const client = new OpenAI({ baseURL: `${own.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await client.completions.create({ model: 'tiny', prompt: 'a', stream: true });
    const [chunks] = await Promise.all([collect(stream), own.close()]);
    expect(chunks.map(({ choices }) => choices[0].text).join('')).toBe('Well, Hello you');
    await expect(fetch(`${own.url}/health`)).rejects.toThrow();
  });

  it('breaks off what takes too long, with an error', async () => {
    const { run, stopped } = endless();
    script = run;
    const own = await listen(model, { port: 0 });
    const client = new OpenAI({ baseURL: `${own.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await client.completions.create({ model: 'tiny', prompt: 'a', stream: true });
    const reading = collect(stream);
    const caught = expect(reading).rejects.toMatchObject({ code: 'server_stopping' });
    await own.close(50);
    await Promise.all([caught, stopped]);
  });
});
