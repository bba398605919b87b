/**
 * DashScope's wire format, case by case from its public documentation: requests as curl and the SDKs send them,
 * responses as they read them.
 */
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ChatMessage, ChatOptions, TextEvent } from '../src/generate/api.js';
import { TextModel } from '../src/generate/model.js';
import { load } from '../src/index.js';
import { hashSecret, KeyRing } from '../src/server/keys.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { CHATML } from '../src/tokenizer/chat-template.js';
import { ByteTokenizer, type Script, ScriptedEngine } from './scripted-engine.js';

const tokenizer = new ByteTokenizer();
const say = (text: string): number[] => tokenizer.encode(text, { control: true });
const hello: Script = () => say('1+1=2<|im_end|>');
let script: Script = hello;
const engine = new ScriptedEngine((request) => script(request), { context: 4096, maxContext: 4096 });
const thinking =
  "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}";
const parts = { name: 'tiny', path: 'tiny', tokenizer, chatTemplate: CHATML + thinking };
const model = new TextModel({ ...parts, engine, generationConfig: {}, config: {} });
let server: RunningServer;

beforeAll(async () => {
  server = await listen(model, { port: 0 });
});
afterEach(() => {
  script = hello;
  vi.restoreAllMocks();
});
afterAll(() => server.close());

const TEXT = '/api/v1/services/aigc/text-generation/generation';
const MULTIMODAL = '/api/v1/services/aigc/multimodal-generation/generation';
const messages = [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: 'What is 1+1?' },
];
const SSE = { 'x-dashscope-sse': 'enable' };

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers });
}

async function ask(parameters: object, input: object = { messages }, path = TEXT) {
  return (await post(path, { model: 'tiny', input, parameters })).json();
}

/** The data of a stream's events, whose four lines each are checked on the way. */
async function stream(parameters: object, { path = TEXT, headers = SSE as Record<string, string> } = {}) {
  const response = await post(path, { model: 'tiny', input: { messages }, parameters }, headers);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const events = (await response.text()).split('\n\n').filter(Boolean);
  return events.map((event, i) => {
    const [, id, data] = /^id:(\d+)\nevent:result\n:HTTP_STATUS\/200\ndata:(\{.*\})$/.exec(event) ?? [event];
    expect(id).toBe(String(i + 1));
    return JSON.parse(data!);
  });
}

const stats = {
  promptTokens: 21,
  cachedTokens: 5,
  completionTokens: 9,
  thinkingTokens: 4,
  prefillMs: 1,
  decodeMs: 1,
  speculation: { steps: 0, drafted: 0, accepted: 0 },
};

/** What the chat layer says to the next requests instead of the model, and what it was asked. */
function chatSays(events: TextEvent[]) {
  const asked: { messages: readonly ChatMessage[]; options: ChatOptions }[] = [];
  vi.spyOn(model, 'chat').mockImplementation(async function* (messages, options = {}) {
    asked.push({ messages, options });
    options.admit?.(21, 100);
    yield* events;
  });
  return asked;
}

const weatherCall: TextEvent[] = [
  { type: 'thinking', text: 'I need ' },
  { type: 'thinking', text: 'a tool.' },
  { type: 'text', text: 'Wait.' },
  { type: 'tool_call', index: 0, id: 'call_1', name: 'weather' },
  { type: 'tool_arguments', index: 0, text: '{"city":' },
  { type: 'tool_arguments', index: 0, text: ' "杭州"}' },
  { type: 'done', reason: 'tool_calls', stats },
];
const tools = [
  { type: 'function', function: { name: 'weather', description: 'Tells the weather', parameters: { type: 'object' } } },
];

describe('text generation', () => {
  it('gives a text unless a message is asked for', async () => {
    const { output, usage, request_id } = await ask({}, { prompt: 'What is 1+1?' });
    expect(output).toEqual({ text: '1+1=2', finish_reason: 'stop' });
    const { tokens } = engine.requests.at(-1)!;
    expect(usage).toMatchObject({
      input_tokens: tokens.length,
      output_tokens: 5,
      total_tokens: tokens.length + 5,
    });
    expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('gives messages', async () => {
    const { output } = await ask({ result_format: 'message' });
    expect(output).toEqual({
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: '1+1=2' } }],
    });
  });

  it('streams all that was said so far, or only what is new', async () => {
    const texts = (events: { output: { text: string; finish_reason: string } }[]) =>
      events.map(({ output }) => output.text);
    const whole = await stream({});
    expect(texts(whole)).toEqual(['1', '1+', '1+1', '1+1=', '1+1=2', '1+1=2']);
    expect(whole.map(({ output }) => output.finish_reason)).toEqual([...Array(5).fill('null'), 'stop']);
    expect(whole.map(({ usage }) => usage.output_tokens)).toEqual([1, 2, 3, 4, 5, 5]);
    expect(whole.at(-1).usage.total_tokens).toBe(engine.requests.at(-1)!.tokens.length + 5);
    const pieces = await stream({ incremental_output: true });
    expect(texts(pieces)).toEqual(['1', '+', '1', '=', '2', '']);
    expect(pieces.at(-1).output.finish_reason).toBe('stop');
    const accepted = await stream({ incremental_output: true }, { headers: { accept: 'text/event-stream' } });
    expect(texts(accepted)).toEqual(texts(pieces));
  });

  it('streams thinking and calls as messages, both ways', async () => {
    chatSays(weatherCall);
    const call = (fields: object, id = 'call_1') => ({ index: 0, id, type: 'function', function: fields });
    const messagesOf = (events: { output: { choices: { message: object }[] } }[]) =>
      events.map(({ output }) => output.choices[0].message);
    const pieces = await stream({ result_format: 'message', tools, incremental_output: true });
    expect(messagesOf(pieces)).toEqual([
      { role: 'assistant', content: '', reasoning_content: 'I need ' },
      { role: 'assistant', content: '', reasoning_content: 'a tool.' },
      { role: 'assistant', content: 'Wait.' },
      { role: 'assistant', content: '', tool_calls: [call({ name: 'weather', arguments: '' })] },
      { role: 'assistant', content: '', tool_calls: [call({ arguments: '{"city":' }, '')] },
      { role: 'assistant', content: '', tool_calls: [call({ arguments: ' "杭州"}' }, '')] },
      { role: 'assistant', content: '' },
    ]);
    expect(pieces.at(-1)).toMatchObject({
      output: { choices: [{ finish_reason: 'tool_calls' }] },
      usage: {
        input_tokens: 21,
        output_tokens: 9,
        total_tokens: 30,
        prompt_tokens_details: { cached_tokens: 5 },
        output_tokens_details: { reasoning_tokens: 4 },
      },
    });
    const last = {
      role: 'assistant',
      content: 'Wait.',
      reasoning_content: 'I need a tool.',
      tool_calls: [call({ name: 'weather', arguments: '{"city": "杭州"}' })],
    };
    const whole = await stream({ result_format: 'message', tools });
    expect(messagesOf(whole).at(-1)).toEqual(last);
    expect(messagesOf(whole)[1]).toEqual({ role: 'assistant', content: '', reasoning_content: 'I need a tool.' });
    const { output, usage } = await ask({ result_format: 'message', tools });
    expect(output.choices).toEqual([{ index: 0, finish_reason: 'tool_calls', message: last }]);
    expect(usage).toEqual(pieces.at(-1).usage);
  });

  it('gives several answers and log-probabilities', async () => {
    const { output, usage } = await ask({
      result_format: 'message',
      n: 2,
      seed: 7,
      logprobs: true,
      top_logprobs: 1,
    });
    expect(output.choices.map(({ index }: { index: number }) => index)).toEqual([0, 1]);
    expect(output.choices[1].logprobs.content[0]).toEqual({
      token: '1',
      bytes: [49],
      logprob: -0.5,
      top_logprobs: [{ token: '1', bytes: [49], logprob: -0.5 }],
    });
    expect(usage.output_tokens).toBe(10);
    const seeds = engine.requests.slice(-2).map(({ sampling }) => sampling.seed);
    expect(seeds).toEqual([7, 8]);
  });

  it('hands every parameter and message on in our terms', async () => {
    const asked = chatSays(weatherCall);
    const called = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city": "杭州"}' } };
    await ask(
      {
        result_format: 'message',
        temperature: 0.5,
        top_p: 0.9,
        top_k: 200,
        seed: 3,
        max_tokens: 50,
        stop: [[69, 78, 68]],
        repetition_penalty: 1.1,
        presence_penalty: 0.3,
        enable_thinking: true,
        thinking_budget: 20,
        tools,
        tool_choice: { type: 'function', function: { name: 'weather' } },
        response_format: { type: 'json_object' },
        enable_search: false,
        vl_high_resolution_images: false,
      },
      {
        messages: [
          { role: 'user', content: [{ text: 'The ' }, { type: 'text', text: 'weather?' }] },
          { role: 'assistant', content: '', reasoning_content: 'Hm', tool_calls: [called] },
          { role: 'tool', content: 'Sun', tool_call_id: 'call_1', name: 'weather' },
        ],
      },
    );
    expect(asked[0].messages).toEqual([
      { role: 'user', content: 'The weather?' },
      {
        role: 'assistant',
        content: '',
        thinking: 'Hm',
        toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"city": "杭州"}' }],
      },
      { role: 'tool', content: 'Sun', toolCallId: 'call_1', name: 'weather' },
    ]);
    expect(asked[0].options).toMatchObject({
      temperature: 0.5,
      topP: 0.9,
      topK: 0,
      seed: 3,
      maxTokens: 50,
      stop: ['END'],
      repetitionPenalty: 1.1,
      presencePenalty: 0.3,
      think: true,
      thinkingBudget: 20,
      toolChoice: { name: 'weather' },
      parallelToolCalls: false,
      format: { type: 'json_schema', schema: { type: 'object' } },
    });
  });

  it('takes the older prompt with its history', async () => {
    const asked = chatSays([{ type: 'done', reason: 'stop', stats }]);
    await ask({}, { prompt: 'And 2+2?', history: [{ user: '1+1?', bot: '2' }] });
    expect(asked[0].messages).toEqual([
      { role: 'user', content: '1+1?' },
      { role: 'assistant', content: '2' },
      { role: 'user', content: 'And 2+2?' },
    ]);
  });
});

it('goes on with a message that has begun', async () => {
  const begun = [messages[1], { role: 'assistant', content: 'It', partial: true }];
  const { output } = await ask({}, { messages: begun });
  expect(output).toEqual({ text: '1+1=2', finish_reason: 'stop' });
  expect(tokenizer.decode(engine.requests.at(-1)!.tokens, { control: true })).toBe(
    '<|im_start|>user\nWhat is 1+1?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nIt',
  );
});

it('tells calls of tools in what the model says', async () => {
  script = () => say('Wait.\n<tool_call>\n{"name": "weather", "arguments": {"city": "杭州"}}\n</tool_call><|im_end|>');
  const { output } = await ask({ result_format: 'message', tools });
  const [{ message, finish_reason }] = output.choices;
  expect(finish_reason).toBe('tool_calls');
  expect(message).toMatchObject({ content: 'Wait.', tool_calls: [{ function: { name: 'weather' } }] });
  expect(JSON.parse(message.tool_calls[0].function.arguments)).toEqual({ city: '杭州' });
  const pieces = await stream({ result_format: 'message', tools, incremental_output: true });
  const calls = pieces.flatMap(({ output }) => output.choices[0].message.tool_calls ?? []);
  expect(calls.map((call) => call.function.arguments).join('')).toBe(message.tool_calls[0].function.arguments);
});

it('gives parts to those who ask the multimodal route', async () => {
  const input = { messages: [{ role: 'user', content: [{ text: 'What is 1+1?' }] }] };
  const { output } = await ask({}, input, MULTIMODAL);
  expect(output.choices[0]).toMatchObject({
    finish_reason: 'stop',
    message: { role: 'assistant', content: [{ text: '1+1=2' }] },
  });
  const events = await stream({ incremental_output: true }, { path: MULTIMODAL });
  const contents = events.map(({ output }) => output.choices[0].message.content);
  expect(contents).toEqual([[{ text: '1' }], [{ text: '+' }], [{ text: '1' }], [{ text: '=' }], [{ text: '2' }], []]);
});

it('is OpenAI’s API in compatible mode', async () => {
  const openai = new OpenAI({ baseURL: `${server.url}/compatible-mode/v1`, apiKey: 'none', maxRetries: 0 });
  const request = { model: 'tiny', messages: [{ role: 'user' as const, content: 'What is 1+1?' }] };
  const answer = await openai.chat.completions.create(request);
  expect(answer.choices[0].message.content).toBe('1+1=2');
  let text = '';
  for await (const { choices } of await openai.chat.completions.create({ ...request, stream: true }))
    text += choices[0]?.delta.content ?? '';
  expect(text).toBe('1+1=2');
  expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['tiny']);
  await expect(openai.chat.completions.create({ ...request, model: 'other' })).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
  });
});

describe('errors', () => {
  const image = { messages: [{ role: 'user', content: [{ image: 'https://x/y.png' }, { text: 'What?' }] }] };
  const cases: [name: string, body: object, status: number, code: string, message: RegExp][] = [
    ['no model', { input: { messages } }, 400, 'BadRequest.EmptyModel', /model/],
    ['no input', { model: 'tiny' }, 400, 'BadRequest.EmptyInput', /input/],
    ['an empty input', { model: 'tiny', input: {} }, 400, 'InvalidParameter', /messages/],
    ['another model', { model: 'qwen-max', input: { messages } }, 404, 'ModelNotFound', /qwen-max/],
    ['an image', { model: 'tiny', input: image }, 400, 'InvalidParameter', /content\[0\].*'image' parts/],
    [
      'a wrong role',
      { model: 'tiny', input: { messages: [{ role: 'god', content: '' }] } },
      400,
      'InvalidParameter',
      /expected the role/,
    ],
    [
      'a message to go on with, and thinking',
      {
        model: 'tiny',
        input: { messages: [...messages, { role: 'assistant', content: 'a', partial: true }] },
        parameters: { enable_thinking: true },
      },
      400,
      'InvalidParameter',
      /cannot be continued with thinking/,
    ],
    ...(
      [
        ['temperature', 3, /temperature/],
        ['enable_search', true, /web search/],
        ['n', 100, /at most/],
        ['result_format', 'xml', /result_format/],
        ['tools', tools, /need 'message'/],
        ['top_logprobs', 2, /logprobs/],
        ['stop', [1, 'a'], /stop/],
      ] as [string, unknown, RegExp][]
    ).map(([field, value, message]): [string, object, number, string, RegExp] => [
      `parameter ${field}`,
      { model: 'tiny', input: { messages }, parameters: { [field]: value } },
      400,
      'InvalidParameter',
      message,
    ]),
    [
      'a prompt over the context',
      { model: 'tiny', input: { prompt: 'a'.repeat(5000) } },
      400,
      'InvalidParameter',
      /context/,
    ],
  ];
  it.each(cases)('%s', async (_name, body, status, code, message) => {
    for (const headers of [{}, SSE]) {
      const response = await post(TEXT, body, headers as Record<string, string>);
      const error = await response.json();
      expect({ status: response.status, code: error.code }).toEqual({ status, code });
      expect(error.message).toMatch(message);
      expect(error.request_id).toBe(response.headers.get('x-request-id'));
    }
  });

  it('asynchronous calls, other routes and methods, wrong keys', async () => {
    const body = { model: 'tiny', input: { messages } };
    const is = async (response: Response) => [response.status, (await response.json()).code];
    expect(await is(await post(TEXT, body, { 'x-dashscope-async': 'enable' }))).toEqual([403, 'AccessDenied']);
    expect(await is(await post('/api/v1/services/aigc/image', body))).toEqual([404, 'InvalidURL']);
    expect(await is(await fetch(`${server.url}${TEXT}`))).toEqual([405, 'UnsupportedOperation']);
    const info = { id: 'k', limits: { requestsPerMinute: 1 } };
    const keys = new KeyRing([{ info, hash: hashSecret('right') }]);
    const locked = await listen(model, { port: 0, keys });
    const keyed = (key: string) =>
      fetch(`${locked.url}${TEXT}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${key}` },
      });
    expect(await is(await keyed('wrong'))).toEqual([401, 'InvalidApiKey']);
    expect((await keyed('right')).status).toBe(200);
    expect(await is(await keyed('right'))).toEqual([429, 'Throttling.RateQuota']);
    await locked.close();
  });

  it('in the middle of a stream', async () => {
    script = function* () {
      yield* say('1+');
      throw new Error('secret detail');
    };
    const response = await post(TEXT, { model: 'tiny', input: { messages } }, SSE);
    const events = (await response.text()).split('\n\n').filter(Boolean);
    expect(events).toHaveLength(3);
    const [, data] = /^id:\d+\nevent:error\n:HTTP_STATUS\/500\ndata:(.*)$/.exec(events[2])!;
    expect(JSON.parse(data)).toMatchObject({ code: 'InternalError', message: expect.not.stringContaining('secret') });
  });
});

it('answers by the model in the house', async () => {
  await using mini = await load('models/mini');
  const own = await listen(mini, { port: 0 });
  const response = await fetch(`${own.url}${TEXT}`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'mini',
      input: { messages: [{ role: 'user', content: 'What is the capital of Japan?' }] },
      parameters: { temperature: 0, result_format: 'message' },
    }),
  });
  expect((await response.json()).output.choices[0].message.content).toBe('The capital of Japan is Tokyo.');
  const embed = async (parameters: object) => {
    const body = { model: 'mini', input: { texts: ['Tokyo', 'Paris'] }, parameters };
    const path = '/api/v1/services/embeddings/text-embedding/text-embedding';
    const response = await fetch(`${own.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, ...(await response.json()) };
  };
  const { output, usage } = await embed({ text_type: 'query' });
  const vectors: number[][] = output.embeddings.map(({ embedding }: { embedding: number[] }) => embedding);
  expect(output.embeddings.map(({ text_index }: { text_index: number }) => text_index)).toEqual([0, 1]);
  expect(vectors.map(({ length }) => length)).toEqual([256, 256]);
  expect(Math.hypot(...vectors[0])).toBeCloseTo(1, 5);
  expect(usage.total_tokens).toBe(mini.tokenize('Tokyo').length + mini.tokenize('Paris').length);
  const short: number[] = (await embed({ dimension: 64 })).output.embeddings[0].embedding;
  expect([short.length, Math.hypot(...short)]).toEqual([64, expect.closeTo(1, 5)]);
  expect(await embed({ dimension: 512 })).toMatchObject({ status: 400, code: 'InvalidParameter' });
  await own.close();
});
