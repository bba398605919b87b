/** Ollama's own client, unmodified, against the server: over a scripted engine and over the model in the house. */
import { Ollama } from 'ollama';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ChatMessage, ChatOptions, TextEvent } from '../src/generate/api.js';
import { TextModel } from '../src/generate/model.js';
import { load } from '../src/index.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { CHATML } from '../src/tokenizer/chat-template.js';
import { ByteTokenizer, type Script, ScriptedEngine } from './scripted-engine.js';

const tokenizer = new ByteTokenizer();
const say = (text: string): number[] => tokenizer.encode(text, { control: true });
const hello: Script = () => say('Hello you<|im_end|>');
let script: Script = hello;
const engine = new ScriptedEngine((request) => script(request), { context: 4096, maxContext: 4096 });
const thinking =
  "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}";
const parts = { path: 'tiny', engine, tokenizer, generationConfig: {}, config: {} };
const model = new TextModel({ ...parts, name: 'tiny', chatTemplate: CHATML + thinking });
let server: RunningServer;
let ollama: Ollama;

beforeAll(async () => {
  server = await listen(model, { port: 0 });
  ollama = new Ollama({ host: server.url });
});
afterEach(() => {
  script = hello;
  vi.restoreAllMocks();
});
afterAll(() => server.close());

function lastRequest() {
  const request = engine.requests[engine.requests.length - 1];
  return { ...request, prompt: tokenizer.decode(request.tokens, { control: true }) };
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

const stats = {
  promptTokens: 21,
  cachedTokens: 5,
  completionTokens: 9,
  prefillMs: 1.5,
  decodeMs: 20,
  speculation: { steps: 0, drafted: 0, accepted: 0 },
};

/** What the chat layer says to the next requests instead of the model, and what it was asked. */
function chatSays(events: TextEvent[]) {
  const asked: { messages: readonly ChatMessage[]; options: ChatOptions }[] = [];
  vi.spyOn(model, 'chat').mockImplementation(async function* (messages, options = {}) {
    asked.push({ messages, options });
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
  { type: 'tool_arguments', index: 0, text: ' "Paris"}' },
  { type: 'tool_call', index: 1, id: 'call_2', name: 'time' },
  { type: 'tool_arguments', index: 1, text: '{}' },
  { type: 'done', reason: 'tool_calls', stats },
];
const tools = [
  {
    type: 'function',
    function: { name: 'weather', description: 'Tells the weather', parameters: { type: 'object', properties: {} } },
  },
];
const messages = [{ role: 'user', content: 'Hi' }];

describe('chat', () => {
  it('gives a whole answer with counts and times in nanoseconds', async () => {
    chatSays(weatherCall);
    const answer = await ollama.chat({ model: 'tiny', messages, tools });
    expect(answer).toMatchObject({
      model: 'tiny',
      message: {
        role: 'assistant',
        content: 'Wait.',
        thinking: 'I need a tool.',
        tool_calls: [
          { function: { name: 'weather', arguments: { city: 'Paris' } } },
          { function: { name: 'time', arguments: {} } },
        ],
      },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 21,
      prompt_eval_duration: 1_500_000,
      eval_count: 9,
      eval_duration: 20_000_000,
    });
    expect(Number.isInteger(answer.total_duration) && answer.total_duration >= answer.load_duration).toBe(true);
    expect(Date.parse(String(answer.created_at))).toBeGreaterThan(0);
  });

  it('streams lines of JSON, calls whole, the last line with the numbers', async () => {
    chatSays(weatherCall);
    const chunks = await collect(await ollama.chat({ model: 'tiny', messages, tools, stream: true }));
    expect(chunks.map(({ message, done }) => ({ ...message, done }))).toEqual([
      { role: 'assistant', content: '', thinking: 'I need ', done: false },
      { role: 'assistant', content: '', thinking: 'a tool.', done: false },
      { role: 'assistant', content: 'Wait.', done: false },
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'call_1', function: { index: 0, name: 'weather', arguments: { city: 'Paris' } } }],
        done: false,
      },
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'call_2', function: { index: 1, name: 'time', arguments: {} } }],
        done: false,
      },
      { role: 'assistant', content: '', done: true },
    ]);
    expect(chunks.at(-1)).toMatchObject({ done_reason: 'stop', eval_count: 9, prompt_eval_count: 21 });
  });

  it('streams unless it is told not to', async () => {
    const body = JSON.stringify({ model: 'tiny', messages });
    const response = await fetch(`${server.url}/api/chat`, { method: 'POST', body });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).message.content).join('')).toBe('Hello you');
  });

  it('tells calls of tools in what the model says', async () => {
    script = () =>
      say('Wait.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call><|im_end|>');
    const { message } = await ollama.chat({ model: 'tiny', messages, tools });
    expect(message).toMatchObject({
      content: 'Wait.',
      tool_calls: [{ function: { name: 'weather', arguments: { city: 'Paris' } } }],
    });
  });

  it('goes on with a message that has begun', async () => {
    const begun = [...messages, { role: 'assistant', content: 'Well, ' }];
    expect((await ollama.chat({ model: 'tiny', messages: begun })).message.content).toBe('Hello you');
    expect(lastRequest().prompt).toMatch(/<\|im_start\|>assistant\n<think>\n\n<\/think>\n\nWell, $/);
  });

  it('leaves out a call that was cut off', async () => {
    chatSays([...weatherCall.slice(3, 5), { type: 'done', reason: 'length', stats }]);
    const answer = await ollama.chat({ model: 'tiny', messages, tools });
    expect(answer.message).toEqual({ role: 'assistant', content: '' });
    expect(answer.done_reason).toBe('length');
  });

  it('hands messages and every option on in our terms', async () => {
    const asked = chatSays([{ type: 'done', reason: 'stop', stats }]);
    await ollama.chat({
      model: 'tiny:latest',
      messages: [
        { role: 'system', content: 'Be brief' },
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: '',
          thinking: 'Hm',
          tool_calls: [{ function: { name: 'weather', arguments: { city: 'Paris' } } }],
        },
        { role: 'tool', content: 'Sun', tool_name: 'weather' },
      ],
      tools,
      think: 'low',
      format: { type: 'object', properties: { a: { type: 'integer' } } },
      keep_alive: '5m',
      options: {
        num_predict: 30,
        temperature: 0.5,
        top_k: 7,
        top_p: 0.9,
        min_p: 0.1,
        repeat_penalty: 1.1,
        presence_penalty: 1,
        frequency_penalty: -1,
        seed: 42,
        stop: ['END'],
        num_ctx: 100,
        mirostat: 1,
      },
    });
    expect(asked[0].messages).toEqual([
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: '',
        thinking: 'Hm',
        toolCalls: [{ name: 'weather', arguments: { city: 'Paris' } }],
      },
      { role: 'tool', content: 'Sun', name: 'weather' },
    ]);
    expect(asked[0].options).toMatchObject({
      maxTokens: 30,
      temperature: 0.5,
      topK: 7,
      topP: 0.9,
      minP: 0.1,
      repetitionPenalty: 1.1,
      presencePenalty: 1,
      frequencyPenalty: -1,
      seed: 42,
      stop: ['END'],
      think: true,
      thinkingBudget: 1024,
      toolChoice: 'auto',
      tools: [{ type: 'function', function: { name: 'weather' } }],
      format: { type: 'json_schema', schema: { type: 'object', properties: { a: { type: 'integer' } } } },
    });
  });

  it('takes numbers below zero for no limit and no seed', async () => {
    const asked = chatSays([{ type: 'done', reason: 'stop', stats }]);
    await ollama.chat({ model: 'tiny', messages, think: false, options: { num_predict: -1, seed: -1 } });
    const { options } = asked[0];
    expect([options.maxTokens, options.seed, options.think]).toEqual([undefined, undefined, false]);
  });

  it('gives log-probabilities', async () => {
    const answer = await ollama.chat({ model: 'tiny', messages, logprobs: true, top_logprobs: 1 });
    expect(answer.logprobs?.map(({ token }) => token).join('')).toBe('Hello you');
    expect(answer.logprobs![0]).toMatchObject({ token: 'H', logprob: -0.5, top_logprobs: [{ token: 'H' }] });
  });
});

describe('generate', () => {
  it('answers a prompt in the model’s template, with a system message', async () => {
    const answer = await ollama.generate({ model: 'tiny', prompt: 'Hi', system: 'Be brief', think: false });
    expect(answer).toMatchObject({ response: 'Hello you', done: true, done_reason: 'stop', eval_count: 9 });
    expect(lastRequest().prompt).toBe(
      '<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n',
    );
    expect(answer.prompt_eval_count).toBe(lastRequest().tokens.length);
  });

  it('continues a raw prompt', async () => {
    const chunks = await collect(await ollama.generate({ model: 'tiny', prompt: 'Hi', raw: true, stream: true }));
    expect(lastRequest().prompt).toBe('Hi');
    expect(chunks.map(({ response }) => response).join('')).toBe('Hello you');
    expect(chunks.at(-1)).toMatchObject({ response: '', done: true });
  });

  it('tells thinking apart, and why an answer ended', async () => {
    script = () => say('<think>\nHm\n</think>\n\nYes<|im_end|>');
    expect(await ollama.generate({ model: 'tiny', prompt: 'Hi' })).toMatchObject({ thinking: 'Hm', response: 'Yes' });
    script = hello;
    const cut = await ollama.generate({ model: 'tiny', prompt: 'Hi', options: { num_predict: 3 } });
    expect(cut).toMatchObject({ response: 'Hel', done_reason: 'length' });
    const stopped = await ollama.generate({ model: 'tiny', prompt: 'Hi', options: { stop: ['lo'] } });
    expect(stopped).toMatchObject({ response: 'Hel', done_reason: 'stop' });
  });

  it('promises an object to those who ask for JSON', async () => {
    const asked = chatSays([{ type: 'done', reason: 'stop', stats }]);
    await ollama.generate({ model: 'tiny', prompt: 'Hi', format: 'json' });
    expect(asked[0].options.format).toEqual({ type: 'json_schema', schema: { type: 'object' } });
  });

  it('only loads the model when there is nothing to answer', async () => {
    const before = engine.requests.length;
    expect(await ollama.generate({ model: 'tiny', prompt: '' })).toMatchObject({ done: true, done_reason: 'load' });
    expect(await ollama.chat({ model: 'tiny', messages: [] })).toMatchObject({ done: true, done_reason: 'load' });
    expect(engine.requests).toHaveLength(before);
  });
});

it('describes the models', async () => {
  const { models } = await ollama.list();
  expect(models).toMatchObject([{ name: 'tiny', model: 'tiny', details: { family: 'scripted' } }]);
  expect(models[0].digest).toMatch(/^[0-9a-f]{64}$/);
  expect((await ollama.ps()).models.map(({ model }) => model)).toEqual(['tiny']);
  expect(await ollama.show({ model: 'tiny' })).toMatchObject({
    capabilities: ['completion', 'tools', 'thinking'],
    model_info: { 'general.architecture': 'scripted', 'scripted.context_length': 4096 },
  });
  expect((await ollama.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
});

describe('errors', () => {
  const chat = { model: 'tiny', messages };
  const cases: [name: string, ask: () => Promise<unknown>, status: number, message: RegExp][] = [
    ['another model', () => ollama.chat({ model: 'llama', messages }), 404, /'llama' is not served/],
    ['another model to show', () => ollama.show({ model: 'llama' }), 404, /'llama' is not served/],
    ['no model', () => ollama.chat({ messages } as never), 400, /'model' is required/],
    [
      'an image',
      () => ollama.chat({ ...chat, messages: [{ role: 'user', content: '', images: ['AAAA'] }] }),
      400,
      /images/,
    ],
    ['an image with a prompt', () => ollama.generate({ model: 'tiny', prompt: 'a', images: ['AAAA'] }), 400, /images/],
    ['a suffix', () => ollama.generate({ model: 'tiny', prompt: 'a', suffix: 'b' }), 400, /middle/],
    ['a template', () => ollama.generate({ model: 'tiny', prompt: 'a', template: 'b' }), 400, /templates/],
    ['a wrong option', () => ollama.chat({ ...chat, options: { temperature: 9 } }), 400, /options.temperature/],
    ['a wrong format', () => ollama.chat({ ...chat, format: 'xml' }), 400, /format/],
    ['a prompt over the context', () => ollama.generate({ model: 'tiny', prompt: 'a'.repeat(5000) }), 400, /context/],
    ['fetching a model', () => ollama.pull({ model: 'llama' }), 501, /\/api\/pull is not supported/],
    ['deleting a model', () => ollama.delete({ model: 'tiny' }), 501, /\/api\/delete is not supported/],
    ['copying a model', () => ollama.copy({ source: 'tiny', destination: 'b' }), 501, /\/api\/copy is not supported/],
  ];
  it.each(cases)('%s', async (_name, ask, status, message) => {
    const error = await ask().then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ status_code: status });
    expect(error.message).toMatch(message);
  });

  it('in the middle of a stream', async () => {
    script = function* () {
      yield* say('Hel');
      throw new Error('secret detail');
    };
    const stream = await ollama.chat({ ...chat, stream: true });
    let text = '';
    const reading = (async () => {
      for await (const { message } of stream) text += message.content;
    })();
    await expect(reading).rejects.toThrow(/The server failed/);
    expect(text).toBe('Hel');
  });
});

it('stops the model when the client goes away', async () => {
  script = async function* () {
    for (;;) {
      yield 97;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const before = engine.cancelled;
  const stream = await ollama.chat({ model: 'tiny', messages, stream: true });
  const reading = (async () => {
    for await (const _ of stream) stream.abort();
  })();
  await expect(reading).rejects.toThrow();
  await vi.waitFor(() => expect(engine.cancelled).toBe(before + 1));
});

it('answers by the model in the house, and embeds', async () => {
  await using mini = await load('models/mini');
  const own = await listen(mini, { port: 0 });
  const client = new Ollama({ host: own.url });
  const question = [{ role: 'user', content: 'What is the capital of Japan?' }];
  const answer = await client.chat({ model: 'mini', messages: question, options: { temperature: 0 } });
  expect(answer.message.content).toBe('The capital of Japan is Tokyo.');
  const { embeddings, prompt_eval_count } = await client.embed({ model: 'mini', input: ['Tokyo', 'Paris'] });
  expect(embeddings.map(({ length }) => length)).toEqual([256, 256]);
  const [one, two] = embeddings;
  expect(Math.hypot(...one)).toBeCloseTo(1, 5);
  expect(one).not.toEqual(two);
  expect(prompt_eval_count).toBe(mini.tokenize('Tokyo').length + mini.tokenize('Paris').length);
  const { embedding } = await client.embeddings({ model: 'mini', prompt: 'Tokyo' });
  const length = Math.hypot(...embedding);
  expect(embedding.map((value) => value / length)[0]).toBeCloseTo(one[0], 5);
  await own.close();
});
