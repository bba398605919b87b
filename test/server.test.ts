import { connect } from 'node:net';
import fc from 'fast-check';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { KaiwenError } from '../src/errors.js';
import { TextModel } from '../src/generate/model.js';
import { createApp } from '../src/server/app.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { textLog } from '../src/server/logs.js';
import { CHATML } from '../src/tokenizer/chat-template.js';
import { ByteTokenizer, type Script, ScriptedEngine } from './scripted-engine.js';

const tokenizer = new ByteTokenizer();
const say = (text: string): number[] => tokenizer.encode(text, { control: true });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const hello: Script = () => say('Hello you<|im_end|>');
/** Speaks until it is told to stop. */
const endless: Script = async function* () {
  for (;;) {
    yield 97;
    await sleep(5);
  }
};
/** What the engine says to the next requests. */
let script: Script = hello;
const engine = new ScriptedEngine((request) => script(request));
const thinking =
  "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}";
const model = new TextModel({
  name: 'tiny',
  path: 'tiny',
  engine,
  tokenizer,
  chatTemplate: CHATML + thinking,
  generationConfig: {},
  config: {},
});
/** What the engine was asked last, its prompt as text. */
function lastRequest() {
  const request = engine.requests[engine.requests.length - 1];
  return { ...request, prompt: tokenizer.decode(request.tokens, { control: true }) };
}

let server: RunningServer;
let openai: OpenAI;
const logged: string[] = [];

beforeAll(async () => {
  script = hello;
  server = await listen(model, {
    port: 0,
    bodyLimit: 100_000,
    keepAliveMs: 200,
    log: textLog((line) => logged.push(line)),
  });
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
    expect(answer.usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 9, total_tokens: 30 });
    const again = await openai.chat.completions.create({ model: 'tiny', messages });
    expect(again.usage?.prompt_tokens_details).toEqual({ cached_tokens: 20 });
  });

  it('gets the same answer as a stream, usage last', async () => {
    const request = { model: 'tiny', messages, stream: true, stream_options: { include_usage: true } } as const;
    const chunks = await collect(await openai.chat.completions.create(request));
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('Hello you');
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason ?? null).slice(-3)).toEqual([null, 'stop', null]);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 21, total_tokens: 30 } });
    expect(chunks[0].usage).toBeNull();
  });

  it('gets several answers, whose prompt counts once and whose seeds differ', async () => {
    const before = engine.requests.length;
    const answer = await openai.chat.completions.create({ model: 'tiny', messages, n: 3, seed: -1 });
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 27, total_tokens: 48 });
    expect(engine.requests.slice(before).map(({ sampling }) => sampling.seed)).toEqual([4294967295, 0, 1]);
  });

  it('gets log-probabilities', async () => {
    script = () => say('Hé<|im_end|>');
    const answer = await openai.chat.completions.create({ model: 'tiny', messages, logprobs: true, top_logprobs: 1 });
    const entries = answer.choices[0].logprobs?.content ?? [];
    expect(entries.map(({ bytes }) => bytes)).toEqual([[72], [0xc3], [0xa9]]);
    const token = { token: 'H', logprob: -0.5, bytes: [72] };
    expect(entries[0]).toEqual({ ...token, top_logprobs: [token] });
    script = hello;
    const text = await openai.completions.create({ model: 'tiny', prompt: 'a', logprobs: 1, max_tokens: 2 });
    expect(text.choices[0].logprobs).toEqual({
      tokens: ['H', 'e'],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [{ H: -0.5 }, { e: -0.5 }],
      text_offset: [0, 1],
    });
    const stream = await openai.completions.create({ model: 'tiny', prompt: 'a', logprobs: 0, stream: true });
    const offsets = (await collect(stream)).flatMap(({ choices }) => choices[0].logprobs?.text_offset ?? []);
    expect(offsets).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('gets thinking apart from the answer', async () => {
    script = () => say('<think>\nHm\n</think>\n\nYes<|im_end|>');
    const answer = await openai.chat.completions.create({ model: 'tiny', messages });
    expect(answer.choices[0].message).toMatchObject({ content: 'Yes', reasoning_content: 'Hm' });
    const chunks = await collect(await openai.chat.completions.create({ model: 'tiny', messages, stream: true }));
    const deltas = chunks.map(({ choices }) => choices[0].delta as { content?: string; reasoning_content?: string });
    expect(deltas.map(({ reasoning_content }) => reasoning_content ?? '').join('')).toBe('Hm');
    expect(deltas.map(({ content }) => content ?? '').join('')).toBe('Yes');
  });

  it('learns why an answer ended', async () => {
    const reason = async (fields: object) =>
      (await openai.chat.completions.create({ model: 'tiny', messages, ...fields })).choices[0];
    expect(await reason({ max_tokens: 3 })).toMatchObject({ message: { content: 'Hel' }, finish_reason: 'length' });
    expect(await reason({ stop: ['lo', 'x'] })).toMatchObject({ message: { content: 'Hel' }, finish_reason: 'stop' });
    const speculation = { steps: 2, drafted: 5, accepted: 3 };
    const stats = { promptTokens: 1, cachedTokens: 0, completionTokens: 0, prefillMs: 0, decodeMs: 0, speculation };
    vi.spyOn(engine, 'generate').mockImplementationOnce(async function* () {
      yield { type: 'done', reason: 'repetition', stats };
    });
    expect(await reason({})).toMatchObject({ finish_reason: 'length', stop_reason: 'repetition' });
  });

  it('continues text: several prompts, token ids, echo', async () => {
    const answer = await openai.completions.create({ model: 'tiny', prompt: ['a', 'b'], n: 2, echo: true });
    expect(answer.choices.map(({ text }) => text)).toEqual(['aHello you', 'aHello you', 'bHello you', 'bHello you']);
    expect(answer.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 36 });
    expect(lastRequest().maxTokens).toBe(16);
    const stream = await openai.completions.create({ model: 'tiny', prompt: [65, 66], echo: true, stream: true });
    const texts = (await collect(stream)).map(({ choices }) => choices[0].text);
    expect([texts[0], texts.join('')]).toEqual(['AB', 'ABHello you']);
    expect(lastRequest().tokens).toEqual([65, 66]);
  });

  it('receives an error in the middle of a stream', async () => {
    script = function* () {
      yield* say('Hel');
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
    script = endless;
    const before = engine.cancelled;
    const stream = await openai.chat.completions.create({ model: 'tiny', messages, stream: true });
    for await (const _ of stream) break;
    await vi.waitFor(() => expect(engine.cancelled).toBe(before + 1));
  });
});

it('stops the model when a client that waits for a whole answer goes away', async () => {
  script = endless;
  const before = engine.cancelled;
  const controller = new AbortController();
  const request = post('/v1/chat/completions', JSON.stringify({ messages }), { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await expect(request).rejects.toThrow();
  await vi.waitFor(() => expect(engine.cancelled).toBe(before + 1));
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
  const { maxTokens, logprobs, sampling, prompt } = lastRequest();
  expect({ maxTokens, logprobs }).toEqual({ maxTokens: 6, logprobs: undefined });
  expect(sampling).toEqual({
    temperature: 0.5,
    topP: 0.9,
    topK: 0,
    minP: 0.1,
    presencePenalty: 1,
    frequencyPenalty: -1,
    repetitionPenalty: 1.1,
    logitBias: { 3: -100 },
    seed: 42,
  });
  expect(prompt).toBe(
    '<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n' +
      '<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n',
  );
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
  const long = [1, 2, 3, 4].flatMap((turn) => [
    { role: 'user', content: `${turn}${'?'.repeat(200)}` },
    { role: 'assistant', content: '!'.repeat(200) },
  ]);
  const body = { messages: [...long, ...messages] };
  const trimmed = await post('/v1/chat/completions', JSON.stringify(body));
  expect((await trimmed.json()).notices).toEqual([expect.stringContaining('left out')]);
  const refused = await post('/v1/chat/completions', JSON.stringify({ ...body, truncation: 'disabled', stream: true }));
  expect(refused.status).toBe(400);
  expect((await refused.json()).error.code).toBe('context_length_exceeded');
});

it('keeps a quiet stream alive with comments', async () => {
  script = async function* (request) {
    await sleep(600);
    yield* hello(request);
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
    ['bias outside the vocabulary', chat, of({ logit_bias: { 262: 1 } }), 400, 'invalid_value', 'logit_bias'],
    ['too many answers', chat, of({ n: 17 }), 400, 'invalid_value', 'n'],
    ['alternatives without logprobs', chat, of({ top_logprobs: 2 }), 400, 'invalid_value', 'top_logprobs'],
    ['half a tool', chat, of({ tools: [{ type: 'function' }] }), 400, 'invalid_type', 'tools[0].function'],
    ['required tools', chat, of({ tool_choice: 'required' }), 400, 'invalid_value', 'tool_choice'],
    [
      'no schema',
      chat,
      of({ response_format: { type: 'json_schema' } }),
      400,
      'invalid_value',
      'response_format.json_schema',
    ],
    ['two formats', chat, of({ guided_regex: 'a', guided_choice: ['b'] }), 400, 'invalid_value', 'guided_choice'],
    ['audio', chat, of({ modalities: ['audio'] }), 400, 'unsupported_parameter', 'modalities'],
    ['a suffix', text, '{"prompt":"a","suffix":"b"}', 400, 'unsupported_parameter', 'suffix'],
    ['no prompt', text, '{}', 400, 'missing_required_parameter', 'prompt'],
    ['a prompt of a wrong type', text, '{"prompt":{}}', 400, 'invalid_type', 'prompt'],
    ['ids outside the vocabulary', text, '{"prompt":[262]}', 400, 'invalid_value', 'prompt'],
    [
      'a prompt over the context',
      text,
      JSON.stringify({ prompt: 'a'.repeat(1024) }),
      400,
      'context_length_exceeded',
      null,
    ],
    [
      'a message over the context',
      chat,
      of({ messages: [{ role: 'user', content: 'a'.repeat(1024) }] }),
      400,
      'context_length_exceeded',
      null,
    ],
    ['no tokens to continue with', text, '{"prompt":"a","max_tokens":0}', 400, 'invalid_value', 'max_tokens'],
    ['an unknown URL', '/v1/nothing', '{}', 404, 'unknown_url', null],
    ['an unknown URL outside', '/nothing', '{}', 404, 'unknown_url', null],
    ['a wrong method', '/v1/models', '{}', 405, 'method_not_allowed', null],
    ['a wrong method of health', '/health', '{}', 405, 'method_not_allowed', null],
    ['a wrong method of stats', '/stats', '{}', 405, 'method_not_allowed', null],
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
    ['bad_input', 400, 'invalid_value'],
    ['closed', 503, 'server_stopping'],
    ['internal', 500, 'internal_error'],
  ] as const)('a model that fails with %s, streamed or not', async (code, status, expected) => {
    script = () => {
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

it('adds up what it has done', async () => {
  const stats = (prompt: number, accepted: number) => ({
    promptTokens: prompt,
    cachedTokens: 2,
    completionTokens: 5,
    prefillMs: 10,
    decodeMs: 20.5,
    speculation: { steps: 1, drafted: 4, accepted },
  });
  const results = [stats(7, 3), stats(9, 0), stats(4, 4)];
  const app = createApp(model, { name: 'served' });
  const ask = (body: object) =>
    app.request('/v1/completions', { method: 'POST', body: JSON.stringify({ prompt: 'a', ...body }) });
  for (const reason of ['stop', 'length', 'aborted'] as const) {
    vi.spyOn(engine, 'generate').mockImplementationOnce(async function* () {
      for (let i = 0; i < 5; i++) yield { type: 'token', id: 97 };
      yield { type: 'done', reason, stats: results.shift()! };
    });
  }
  await ask({ n: 2 });
  expect((await ask({})).status).toBe(503);
  expect((await ask({ n: 0 })).status).toBe(400);
  const { uptime_s, ...report } = await (await app.request('/stats')).json();
  expect(uptime_s).toBeGreaterThan(0);
  expect(report).toEqual({
    model: 'served',
    threads: 1,
    simd: 'plain',
    native: null,
    kv: 'f16',
    requests: { total: 3, running: 0 },
    answers: 3,
    prompt_tokens: 20,
    cached_tokens: 6,
    completion_tokens: 15,
    prefill_ms: 30,
    decode_ms: 61.5,
    speculation: { steps: 3, drafted: 12, accepted: 7 },
  });
});

describe('access', () => {
  const models = '/v1/models';
  it.each([models, '/stats'])('needs the key where there is one: %s', async (path) => {
    const app = createApp(model, { apiKey: 'right' });
    const status = async (authorization?: string) =>
      (await app.request(path, { headers: authorization ? { authorization } : {} })).status;
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
  const client = ({ url }: RunningServer) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const request = { model: 'tiny', messages, stream: true } as const;

  it('refuses more requests than it may hold', async () => {
    script = endless;
    const small = await listen(model, { port: 0, maxRequests: 1 });
    await client(small).chat.completions.create(request);
    const second = client(small).chat.completions.create(request);
    await expect(second).rejects.toMatchObject({ status: 503, code: 'overloaded' });
    await small.close(0);
  });

  it('lets running answers finish, then is gone', async () => {
    script = async function* (asked) {
      yield* say('Well, ');
      await sleep(200);
      yield* hello(asked);
    };
    const own = await listen(model, { port: 0 });
    const silent = connect(own.port, '127.0.0.1');
    const hungUp = new Promise((resolve) => silent.once('close', resolve));
    const stream = await client(own).chat.completions.create(request);
    const [chunks] = await Promise.all([collect(stream), own.close()]);
    expect(chunks.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe('Well, Hello you');
    await expect(fetch(`${own.url}/health`)).rejects.toThrow();
    await hungUp;
  });

  it('breaks off what takes too long, with an error', async () => {
    script = endless;
    const before = engine.cancelled;
    const own = await listen(model, { port: 0 });
    const reading = collect(await client(own).chat.completions.create(request));
    const caught = expect(reading).rejects.toMatchObject({ code: 'server_stopping' });
    await own.close(50);
    await caught;
    await vi.waitFor(() => expect(engine.cancelled).toBe(before + 1));
  });
});
