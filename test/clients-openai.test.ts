/** The official clients of OpenAI's dialect, unmodified, against a server whose model says what a script tells it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAlibaba } from '@ai-sdk/alibaba';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { ChatMessage, ChatOptions, Model, TextEvent } from '../src/generate/api.js';
import { load } from '../src/generate/load.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { scriptedModel } from './scripted-engine.js';

const { model, engine } = scriptedModel('Hello you', {
  chatTemplate:
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}" +
    "{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}",
});

type Said = Exclude<TextEvent, { type: 'done' }>;
const text = (...pieces: string[]): Said[] => pieces.map((piece) => ({ type: 'text', text: piece }));
const thought = (...pieces: string[]): Said[] => pieces.map((piece) => ({ type: 'thinking', text: piece }));
const called = (index: number, id: string, name: string, ...pieces: string[]): Said[] => [
  { type: 'tool_call', index, id, name },
  ...pieces.map((piece): Said => ({ type: 'tool_arguments', index, text: piece })),
];

/** What the model's chat layer says to the next requests, in turn; the last one for ever after. */
let answers: Said[][] = [];
let asked: { messages: readonly ChatMessage[]; options: ChatOptions }[] = [];
const speak: typeof model.chat = async function* (messages, options = {}) {
  asked.push({ messages, options });
  const answer = answers.length > 1 ? answers.shift()! : answers[0];
  options.admit?.(10, 100);
  for (const event of answer) {
    await new Promise((resolve) => setImmediate(resolve));
    yield event;
  }
  const calls = answer.some(({ type }) => type === 'tool_call');
  const thinking = answer.filter(({ type }) => type === 'thinking').length;
  const stats = { promptTokens: 10, cachedTokens: 4, completionTokens: answer.length, thinkingTokens: thinking };
  const speculation = { steps: 0, drafted: 0, accepted: 0 };
  yield {
    type: 'done',
    reason: calls ? 'tool_calls' : 'stop',
    stats: { ...stats, prefillMs: 1, decodeMs: 1, speculation },
  };
};
const chat = vi.spyOn(model, 'chat');
const last = () => asked[asked.length - 1];

let server: RunningServer;
let openai: OpenAI;
let baseURL: string;
let data: string;

beforeAll(async () => {
  // Alibaba's own server knows no schemas, and its client says so.
  Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });
  data = await mkdtemp(join(tmpdir(), 'kaiwen-clients-'));
  server = await listen(model, { port: 0, data });
  baseURL = `${server.url}/v1`;
  openai = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0, timeout: 20_000 });
});
beforeEach(() => {
  answers = [text('Hello ', 'you')];
  asked = [];
  chat.mockImplementation(speak);
});
afterAll(async () => {
  await server.close(0);
  await rm(data, { recursive: true });
});

const messages = [{ role: 'user' as const, content: 'Hi' }];
const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const paris = [...called(0, 'call_1', 'get_weather', '{"city":', ' "Paris"}')];

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('chat completions of the openai client', () => {
  it('calls tools, whole and streamed', async () => {
    answers = [[...thought('Hm'), ...paris, ...called(1, 'call_2', 'get_weather', '{"city": "Rome"}')]];
    const request = { model: 'scripted', messages, tools: [weather], tool_choice: 'required' as const };
    const whole = await openai.chat.completions.create(request);
    const calls = [
      { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Paris"}' } },
      { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Rome"}' } },
    ];
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, reasoning_content: 'Hm', tool_calls: calls },
    });
    expect(whole.usage?.completion_tokens_details).toEqual({ reasoning_tokens: 1 });
    expect(last().options).toMatchObject({ toolChoice: 'required', parallelToolCalls: true });
    const streamed = await openai.chat.completions.stream(request).finalChatCompletion();
    expect(streamed.choices[0].message.tool_calls).toMatchObject(calls);
    expect(streamed.choices[0].finish_reason).toBe('tool_calls');
  });

  it('runs tools until there is an answer', async () => {
    answers = [paris, text('Sunny.')];
    const cities: string[] = [];
    const runner = openai.chat.completions.runTools({
      model: 'scripted',
      messages,
      stream: true,
      tools: [
        {
          type: 'function',
          function: {
            ...weather.function,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => {
              cities.push(city);
              return 'sunny';
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('Sunny.');
    expect(cities).toEqual(['Paris']);
    expect(last().messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id: 'call_1', name: 'get_weather', arguments: '{"city": "Paris"}' }],
      },
      { role: 'tool', content: 'sunny', toolCallId: 'call_1' },
    ]);
  });

  it('understands functions, the ancestors of tools', async () => {
    answers = [paris];
    const request = {
      model: 'scripted',
      messages,
      functions: [weather.function],
      function_call: { name: 'get_weather' },
    };
    const { choices } = await openai.chat.completions.create(request);
    expect(choices[0]).toMatchObject({
      finish_reason: 'function_call',
      message: { function_call: { name: 'get_weather', arguments: '{"city": "Paris"}' } },
    });
    expect(last().options).toMatchObject({ toolChoice: { name: 'get_weather' }, parallelToolCalls: false });
    const chunks = await collect(await openai.chat.completions.create({ ...request, stream: true }));
    const deltas = chunks.map((chunk) => chunk.choices[0].delta.function_call?.arguments ?? '');
    expect(deltas.join('')).toBe('{"city": "Paris"}');
  });

  it('parses what a schema promised', async () => {
    answers = [text('{"name":"Ada",', '"age":36}')];
    const person = z.object({ name: z.string(), age: z.number() });
    const { choices } = await openai.chat.completions.parse({
      model: 'scripted',
      messages,
      response_format: zodResponseFormat(person, 'person'),
    });
    expect(choices[0].message.parsed).toEqual({ name: 'Ada', age: 36 });
    expect(last().options.format).toMatchObject({
      type: 'json_schema',
      schema: { type: 'object', required: ['name', 'age'] },
    });
  });

  it.each([
    [{ response_format: { type: 'json_object' } }, { type: 'json_schema', schema: { type: 'object' } }],
    [{ guided_regex: 'a+' }, { type: 'regex', pattern: 'a+' }],
    [{ guided_choice: ['a', 'b'] }, { type: 'choice', choices: ['a', 'b'] }],
    [{ guided_grammar: 'root ::= "a"' }, { type: 'grammar', ebnf: 'root ::= "a"' }],
    [{ guided_json: '{"type":"null"}' }, { type: 'json_schema', schema: { type: 'null' } }],
    [{ structured_outputs: { choice: ['x'] } }, { type: 'choice', choices: ['x'] }],
    [{ response_format: { type: 'text' } }, undefined],
  ])('takes the format %j', async (fields, format) => {
    await openai.chat.completions.create({ model: 'scripted', messages, ...(fields as object) });
    expect(last().options.format).toEqual(format);
  });

  it.each([
    [{ reasoning_effort: 'none' }, { think: false }],
    [{ reasoning_effort: 'low' }, { think: true, thinkingBudget: 1024 }],
    [{ reasoning_effort: 'high' }, { think: true }],
    [{ reasoning_effort: 'high', enable_thinking: false }, { think: false }],
    [{ thinking_budget: 7 }, { think: true, thinkingBudget: 7 }],
    [{ chat_template_kwargs: { enable_thinking: true } }, { think: true }],
    [{}, {}],
  ])('thinks as it is told: %j', async (fields, options) => {
    await openai.chat.completions.create({ model: 'scripted', messages, ...(fields as object) });
    const { think, thinkingBudget } = last().options;
    expect(JSON.parse(JSON.stringify({ think, thinkingBudget }))).toEqual(options);
  });

  it('streams several choices at once', async () => {
    const chunks = await collect(
      await openai.chat.completions.create({ model: 'scripted', messages, n: 3, stream: true }),
    );
    const texts = ['', '', ''];
    for (const { choices } of chunks) texts[choices[0].index] += choices[0].delta.content ?? '';
    expect(texts).toEqual(['Hello you', 'Hello you', 'Hello you']);
    const ends = chunks.findIndex(({ choices }) => choices[0].finish_reason);
    expect(new Set(chunks.slice(0, ends).map(({ choices }) => choices[0].index)).size).toBe(3);
  });
});

describe('responses of the openai client', () => {
  it('answers, is kept, goes on and is deleted', async () => {
    const first = await openai.responses.create({
      model: 'scripted',
      input: 'Hi',
      instructions: 'Be kind',
      metadata: { a: 'b' },
    });
    expect(first).toMatchObject({ status: 'completed', output_text: 'Hello you', store: true, metadata: { a: 'b' } });
    expect(first.usage).toMatchObject({ input_tokens: 10, input_tokens_details: { cached_tokens: 4 } });
    const second = await openai.responses.create({
      model: 'scripted',
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'And?' }] }],
      previous_response_id: first.id,
    });
    expect(last().messages).toEqual([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello you' },
      { role: 'user', content: 'And?' },
    ]);
    expect((await openai.responses.retrieve(first.id)).output).toEqual(first.output);
    const { data: items } = await openai.responses.inputItems.list(second.id);
    expect(items).toMatchObject([{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'And?' }] }]);
    await openai.responses.delete(first.id);
    await expect(openai.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    const orphan = openai.responses.create({ model: 'scripted', input: 'x', previous_response_id: first.id });
    await expect(orphan).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
    await expect(openai.responses.cancel(second.id)).rejects.toMatchObject({ status: 400 });
    const unkept = await openai.responses.create({ model: 'scripted', input: 'Hi', store: false });
    await expect(openai.responses.retrieve(unkept.id)).rejects.toMatchObject({ status: 404 });
    await expect(openai.responses.retrieve('..%2f..%2fetc')).rejects.toMatchObject({ status: 404 });
  });

  it('streams all events in their order, numbered', async () => {
    answers = [[...thought('H', 'm'), ...text('Well, ', 'now'), ...paris]];
    const stream = await openai.responses.create({ model: 'scripted', input: 'Hi', stream: true });
    const events = await collect(stream);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
    expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    const end = events.at(-1);
    expect(end?.type === 'response.completed' && end.response.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Hm' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Well, now' }] },
      { type: 'function_call', call_id: 'call_1', name: 'get_weather', arguments: '{"city": "Paris"}' },
    ]);
  });

  it('goes on from calls, by items or by references to them', async () => {
    answers = [[...thought('Hm'), ...paris], text('Sunny.')];
    const tools = [{ ...weather.function, type: 'function' as const, strict: true }];
    const request = { model: 'scripted', tools, tool_choice: { type: 'function' as const, name: 'get_weather' } };
    const first = await openai.responses.create({ ...request, input: 'Weather?', reasoning: { summary: 'auto' } });
    expect(first.output[0]).toMatchObject({ type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm' }] });
    expect(last().options).toMatchObject({ toolChoice: { name: 'get_weather' } });
    const result = { type: 'function_call_output' as const, call_id: 'call_1', output: 'sunny' };
    const expected = [
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: '',
        thinking: 'Hm',
        toolCalls: [{ id: 'call_1', name: 'get_weather', arguments: '{"city": "Paris"}' }],
      },
      { role: 'tool', content: 'sunny', toolCallId: 'call_1' },
    ];
    await openai.responses.create({ model: 'scripted', input: [result], previous_response_id: first.id });
    expect(last().messages).toEqual(expected);
    const references = first.output.map(({ id }) => ({ type: 'item_reference' as const, id: id! }));
    await openai.responses.create({
      model: 'scripted',
      input: [{ role: 'user', content: 'Weather?' }, ...references, result],
    });
    expect(last().messages).toEqual(expected);
    const items = first.output as OpenAI.Responses.ResponseInputItem[];
    await openai.responses.create({
      model: 'scripted',
      input: [{ role: 'user', content: 'Weather?' }, ...items, result],
    });
    expect(last().messages).toEqual(expected);
  });

  it('parses what a schema promised, in its own stream', async () => {
    answers = [text('{"name":', '"Ada"}')];
    const stream = openai.responses.stream({
      model: 'scripted',
      input: 'Who?',
      text: { format: zodTextFormat(z.object({ name: z.string() }), 'person') },
    });
    expect((await stream.finalResponse()).output_parsed).toEqual({ name: 'Ada' });
  });

  it('tells of a failure in the middle', async () => {
    chat.mockImplementationOnce(async function* () {
      yield { type: 'text', text: 'Hel' };
      throw new Error('secret');
    });
    const events = await collect(await openai.responses.create({ model: 'scripted', input: 'Hi', stream: true }));
    const end = events.at(-1);
    expect(end).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'server_error' } },
    });
    expect(JSON.stringify(end)).not.toContain('secret');
  });
});

describe('the other routes', () => {
  it('embeds texts and ids, as numbers and as bytes', async () => {
    const floats = await openai.embeddings.create({ model: 'scripted', input: ['ab', 'c'], encoding_format: 'float' });
    const [first] = floats.data;
    const raw = await engine.embed([97, 98]);
    const length = Math.hypot(...raw);
    for (const [i, value] of first.embedding.entries()) expect(value).toBeCloseTo(raw[i] / length, 6);
    expect(floats.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    // Without a format the client asks for base64 and decodes it.
    const decoded = await openai.embeddings.create({ model: 'scripted', input: [97, 98] });
    for (const [i, value] of decoded.data[0].embedding.entries()) expect(value).toBeCloseTo(first.embedding[i], 6);
    const short = await openai.embeddings.create({ model: 'scripted', input: 'ab', dimensions: 2 });
    expect(short.data[0].embedding).toHaveLength(2);
    expect(Math.hypot(...short.data[0].embedding)).toBeCloseTo(1, 6);
    const long = openai.embeddings.create({ model: 'scripted', input: 'ab', dimensions: 9 });
    await expect(long).rejects.toMatchObject({ status: 400, param: 'dimensions' });
  });

  it('echoes a prompt with its log-probabilities', async () => {
    const request = { model: 'scripted', prompt: 'ab', echo: true, logprobs: 1 };
    const { choices, usage } = await openai.completions.create({ ...request, max_tokens: 0 });
    const prompt = -Math.log(engine.info.vocabSize);
    expect(choices[0]).toMatchObject({ text: 'ab', finish_reason: 'length' });
    expect(choices[0].logprobs?.tokens).toEqual(['a', 'b']);
    expect(choices[0].logprobs?.token_logprobs).toEqual([null, expect.closeTo(prompt, 5)]);
    expect(usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 0 });
    const answered = await openai.completions.create({ ...request, max_tokens: 2 });
    expect(answered.choices[0]).toMatchObject({ text: 'abHe', logprobs: { text_offset: [0, 1, 2, 3] } });
    const chunks = await collect(await openai.completions.create({ ...request, max_tokens: 2, stream: true }));
    expect(chunks.flatMap((chunk) => chunk.choices[0].logprobs?.text_offset ?? [])).toEqual([0, 1, 2, 3]);
  });

  it.each(['', '/v1'])('turns texts and conversations into ids and back at %s/tokenize', async (base) => {
    const post = async (path: string, body: object) => {
      const init = { method: 'POST', body: JSON.stringify(body) };
      return (await fetch(`${server.url}${base}${path}`, init)).json();
    };
    expect(await post('/tokenize', { prompt: 'ab', return_token_strs: true })).toEqual({
      count: 2,
      max_model_len: 1024,
      tokens: [97, 98],
      token_strs: ['a', 'b'],
    });
    const { tokens } = await post('/tokenize', { messages });
    expect((await post('/detokenize', { tokens })).prompt).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    expect((await post('/detokenize', { tokens: [9999] })).error).toMatchObject({ param: 'tokens' });
    expect((await post('/tokenize', {})).error).toMatchObject({ code: 'missing_required_parameter' });
  });

  it('moderates by asking the model', async () => {
    chat.mockImplementation(async function* (conversation) {
      const yes = conversation[1].content.includes('threaten them with violence');
      const token = (word: string, logprob: number) => ({ id: word.length, token: word, bytes: [], logprob });
      const top = [token('yes', Math.log(yes ? 0.6 : 0.1)), token('no', Math.log(yes ? 0.2 : 0.3))];
      yield { type: 'text', text: yes ? 'yes' : 'no', logprobs: [{ ...top[yes ? 0 : 1], top }] };
      const speculation = { steps: 0, drafted: 0, accepted: 0 };
      const counts = { promptTokens: 1, cachedTokens: 0, completionTokens: 1, prefillMs: 1, decodeMs: 1 };
      yield { type: 'done', reason: 'stop', stats: { ...counts, speculation } };
    });
    const { results } = await openai.moderations.create({ input: 'I will get you' });
    expect(results[0].flagged).toBe(true);
    expect(results[0].categories['harassment/threatening']).toBe(true);
    expect(results[0].category_scores['harassment/threatening']).toBeCloseTo(0.75, 6);
    expect(results[0].category_scores.sexual).toBeCloseTo(0.25, 6);
  });
});

it('answers @langchain/openai: text, streams, tools, schemas, vectors', async () => {
  const configuration = { baseURL };
  const bot = new ChatOpenAI({ model: 'scripted', apiKey: 'none', configuration, maxRetries: 0 });
  expect((await bot.invoke('Hi')).content).toBe('Hello you');
  expect((await collect(await bot.stream('Hi'))).map(({ content }) => content).join('')).toBe('Hello you');
  answers = [paris];
  const definition = langchainTool(async ({ city }) => city, {
    name: 'get_weather',
    schema: z.object({ city: z.string() }),
  });
  const { tool_calls } = await bot.bindTools([definition]).invoke([new HumanMessage('Weather?')]);
  expect(tool_calls).toMatchObject([{ id: 'call_1', name: 'get_weather', args: { city: 'Paris' } }]);
  answers = [text('{"name":"Ada"}')];
  const structured = bot.withStructuredOutput(z.object({ name: z.string() }), { name: 'person', method: 'jsonSchema' });
  expect(await structured.invoke('Who?')).toEqual({ name: 'Ada' });
  const vectors = new OpenAIEmbeddings({ model: 'scripted', apiKey: 'none', configuration, maxRetries: 0 });
  expect(await vectors.embedDocuments(['a', 'b'])).toHaveLength(2);
});

it('thinks as the options of @ai-sdk/alibaba say', async () => {
  const bot = createAlibaba({ baseURL, apiKey: 'none' })('scripted');
  const alibaba = { enableThinking: true, thinkingBudget: 64 };
  await generateText({ model: bot, prompt: 'Hi', providerOptions: { alibaba }, maxRetries: 0 });
  expect(last().options).toMatchObject({ think: true, thinkingBudget: 64 });
});

it('answers the responses of @langchain/openai', async () => {
  const bot = new ChatOpenAI({
    model: 'scripted',
    apiKey: 'none',
    configuration: { baseURL },
    maxRetries: 0,
    useResponsesApi: true,
  });
  expect((await bot.invoke('Hi')).text).toBe('Hello you');
  answers = [paris];
  const { tool_calls } = await bot.bindTools([{ ...weather.function, type: 'function' }]).invoke('Weather?');
  expect(tool_calls).toMatchObject([{ name: 'get_weather', args: { city: 'Paris' } }]);
});

describe.each([
  [
    '@ai-sdk/openai-compatible',
    () => createOpenAICompatible({ name: 'kaiwen', baseURL, includeUsage: true, supportsStructuredOutputs: true }),
  ],
  ['@ai-sdk/alibaba', () => createAlibaba({ baseURL, apiKey: 'none' })],
] as const)('the AI SDK with %s', (name, provider) => {
  const bot = () => provider()('scripted');

  it('streams text and thinking', async () => {
    answers = [[...thought('H', 'm'), ...text('Hello ', 'you')]];
    const {
      text: said,
      reasoningText,
      finishReason,
      usage,
    } = streamText({ model: bot(), prompt: 'Hi', maxRetries: 0 });
    expect(await said).toBe('Hello you');
    expect(await reasoningText).toBe('Hm');
    expect(await finishReason).toBe('stop');
    expect(await usage).toMatchObject({ inputTokens: 10, outputTokens: 4 });
  });

  it('makes objects', async () => {
    answers = [text('{"name":', '"Ada"}')];
    const { object } = await generateObject({
      model: bot(),
      prompt: 'Who?',
      schema: z.object({ name: z.string() }),
      maxRetries: 0,
    });
    expect(object).toEqual({ name: 'Ada' });
    expect(last().options.format?.type).toBe('json_schema');
  });

  it.each(['generated', 'streamed'])('calls tools and goes on, %s', async (how) => {
    answers = [paris, text('Sunny.')];
    const tools = {
      get_weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `${city}: sun` }),
    };
    const options = { model: bot(), prompt: 'Weather?', tools, stopWhen: stepCountIs(3), maxRetries: 0 };
    const said = how === 'generated' ? (await generateText(options)).text : await streamText(options).text;
    expect(said).toBe('Sunny.');
    expect(last().messages.at(-1)).toMatchObject({ role: 'tool', content: 'Paris: sun', toolCallId: 'call_1' });
    expect(name).toMatch(/^@ai-sdk/);
  });
});

describe('a real model', () => {
  let mini: Model;
  let own: RunningServer;
  let client: OpenAI;
  beforeAll(async () => {
    mini = await load(fileURLToPath(new URL('../models/mini', import.meta.url)), { threads: 1, sequences: 4 });
    own = await listen(mini, { port: 0, data: join(data, 'mini') });
    client = new OpenAI({ baseURL: `${own.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await own.close(0);
    await mini.close();
  });
  const common = { model: 'mini', temperature: 0, max_tokens: 200 };

  it('keeps to schemas, choices, patterns and grammars', async () => {
    const answer = async (fields: object) =>
      (await client.chat.completions.create({ ...common, messages, ...fields })).choices[0].message.content ?? '';
    const properties = { colour: { enum: ['red', 'green'] }, count: { type: 'integer', minimum: 1, maximum: 9 } };
    const schema = { type: 'object', properties, required: ['colour', 'count'], additionalProperties: false };
    const json_schema = { name: 'thing', schema };
    const { colour, count } = JSON.parse(await answer({ response_format: { type: 'json_schema', json_schema } }));
    expect(['red', 'green']).toContain(colour);
    expect(count).toBeGreaterThanOrEqual(1);
    expect(await answer({ guided_choice: ['oui', 'non'] })).toMatch(/^(oui|non)$/);
    expect(await answer({ guided_regex: '[0-9]{3}-[a-f]{2}' })).toMatch(/^\d{3}-[a-f]{2}$/);
    expect(await answer({ guided_grammar: 'root ::= "<" [a-c] ">"' })).toMatch(/^<[a-c]>$/);
    const text = await client.completions.create({ ...common, prompt: 'In', guided_choice: ['1', '2'] } as never);
    expect((text as OpenAI.Completion).choices[0].text).toMatch(/^[12]$/);
    await expect(answer({ guided_regex: '(' })).rejects.toMatchObject({ status: 400 });
  });

  it('calls the tool that it must, with arguments that its schema allows', async () => {
    const parameters = {
      type: 'object',
      properties: { city: { enum: ['Paris', 'Rome'] } },
      required: ['city'],
      additionalProperties: false,
    };
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters } }];
    const request = {
      ...common,

      messages,
      tools,
      tool_choice: 'required' as const,
      parallel_tool_calls: false,
    };
    const whole = await client.chat.completions.create(request);
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      expect(choices[0].finish_reason).toBe('tool_calls');
      const [call] = choices[0].message.tool_calls ?? [];
      expect(['Paris', 'Rome']).toContain(
        JSON.parse((call as { function: { arguments: string } }).function.arguments).city,
      );
    }
  });

  it('answers the same by completions, by responses and in a stream', async () => {
    const chat = await client.chat.completions.create({ ...common, messages });
    const response = await client.responses.create({ model: 'mini', input: 'Hi', temperature: 0 });
    const stream = client.responses.stream({ model: 'mini', input: 'Hi', temperature: 0 });
    expect(response.output_text).toBe(chat.choices[0].message.content);
    expect((await stream.finalResponse()).output_text).toBe(response.output_text);
    expect(response.usage?.input_tokens).toBe(chat.usage?.prompt_tokens);
  });

  it('gives a text one vector, whichever way it comes', async () => {
    const text = 'The capital of France is Paris.';
    const embed = async (input: string | number[]) =>
      (await client.embeddings.create({ model: 'mini', input })).data[0].embedding;
    const vector = await embed(text);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(await embed(mini.tokenize(text))).toEqual(vector);
    expect(await embed('Seven times eight.')).not.toEqual(vector);
  });

  it('scores a prompt as it would have said it', async () => {
    const said = await client.completions.create({
      ...common,
      max_tokens: 6,
      prompt: 'The capital of France',
      logprobs: 1,
    });
    const prompt = `The capital of France${said.choices[0].text}`;
    const echoed = await client.completions.create({ ...common, max_tokens: 0, prompt, echo: true, logprobs: 0 });
    const own = said.choices[0].logprobs!;
    const scored = echoed.choices[0].logprobs!;
    // The text may be cut into other tokens once it is a prompt; then there is nothing to compare.
    const tail = scored.tokens!.slice(-own.tokens!.length);
    expect(tail).toEqual(own.tokens);
    for (const [i, logprob] of scored.token_logprobs!.slice(-tail.length).entries())
      expect(logprob).toBeCloseTo(own.token_logprobs![i], 1);
  });
});
