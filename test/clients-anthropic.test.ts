/** Anthropic's own client, unmodified, against the server: over a scripted engine and over the model in the house. */
import Anthropic from '@anthropic-ai/sdk';
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
const hello: Script = () => say('Hello you<|im_end|>');
let script: Script = hello;
const engine = new ScriptedEngine((request) => script(request), { context: 4096, maxContext: 4096 });
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
function lastRequest() {
  const request = engine.requests[engine.requests.length - 1];
  return { ...request, prompt: tokenizer.decode(request.tokens, { control: true }) };
}

let server: RunningServer;
let client: Anthropic;

beforeAll(async () => {
  server = await listen(model, { port: 0, keepAliveMs: 200 });
  client = new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 0, timeout: 20_000 });
});
afterEach(() => {
  script = hello;
  vi.restoreAllMocks();
});
afterAll(() => server.close());

const messages = [{ role: 'user' as const, content: 'Hi' }];
const request = { model: 'tiny', max_tokens: 100, messages };

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
function chatSays(...answers: TextEvent[][]) {
  const asked: { messages: readonly ChatMessage[]; options: ChatOptions }[] = [];
  vi.spyOn(model, 'chat').mockImplementation(async function* (messages, options = {}) {
    asked.push({ messages, options });
    options.admit?.(21, 100);
    yield* answers.shift() ?? [];
  });
  return asked;
}

const weatherCall: TextEvent[] = [
  { type: 'thinking', text: 'I need ' },
  { type: 'thinking', text: 'a tool.' },
  { type: 'text', text: 'Let me look.' },
  { type: 'tool_call', index: 0, id: 'call_1', name: 'weather' },
  { type: 'tool_arguments', index: 0, text: '{"city":' },
  { type: 'tool_arguments', index: 0, text: ' "Paris"}' },
  { type: 'tool_call', index: 1, id: 'call_2', name: 'time' },
  { type: 'tool_arguments', index: 1, text: '{}' },
  { type: 'done', reason: 'tool_calls', stats },
];
const weather = {
  name: 'weather',
  description: 'Tells the weather',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
};

describe('messages', () => {
  it('come whole, with usage', async () => {
    const answer = await client.messages.create(request);
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'tiny',
      content: [{ type: 'text', text: 'Hello you' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
    });
    expect(answer.id).toMatch(/^msg_/);
    const { input_tokens, cache_read_input_tokens, output_tokens } = answer.usage;
    expect(input_tokens + cache_read_input_tokens!).toBe(lastRequest().tokens.length);
    expect(output_tokens).toBe(9);
    const counted = await client.messages.countTokens({ model: 'tiny', messages });
    expect(counted.input_tokens).toBe(lastRequest().tokens.length);
  });

  it('come as the events that Anthropic sends, named by their types', async () => {
    chatSays(weatherCall);
    const response = await fetch(`${server.url}/v1/messages`, {
      method: 'POST',
      body: JSON.stringify({ ...request, stream: true }),
    });
    expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
    const events = (await response.text())
      .split('\n\n')
      .filter(Boolean)
      .map((event) => /^event: (\w+)\ndata: (.*)$/.exec(event)!)
      .map(([, name, data]) => ({ name, data: JSON.parse(data) }));
    for (const { name, data } of events) expect(data.type).toBe(name);
    const outline = events.map(({ data }) => data.delta?.type ?? data.content_block?.type ?? data.type);
    expect(outline).toEqual([
      'message_start',
      'thinking',
      'thinking_delta',
      'thinking_delta',
      'signature_delta',
      'content_block_stop',
      'text',
      'text_delta',
      'content_block_stop',
      'tool_use',
      'input_json_delta',
      'input_json_delta',
      'content_block_stop',
      'tool_use',
      'input_json_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events.filter(({ data }) => data.index !== undefined).map(({ data }) => data.index)).toEqual([
      0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3,
    ]);
    expect(events[0].data.message.usage.input_tokens).toBe(21);
    expect(events.at(-2)!.data).toMatchObject({
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: {
        input_tokens: 16,
        cache_read_input_tokens: 5,
        output_tokens: 9,
        output_tokens_details: { thinking_tokens: 4 },
      },
    });
  });

  it('are the same streamed and whole: thinking, text and calls', async () => {
    chatSays(weatherCall, weatherCall);
    const whole = await client.messages.create(request);
    const stream = client.messages.stream(request);
    const json: unknown[] = [];
    stream.on('inputJson', (_delta, snapshot) => json.push(snapshot));
    const streamed = await stream.finalMessage();
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.usage).toEqual(whole.usage);
    expect(whole.content).toEqual([
      { type: 'thinking', thinking: 'I need a tool.', signature: expect.stringMatching(/^\S{40,}$/) },
      { type: 'text', text: 'Let me look.', citations: null },
      { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Paris' }, caller: { type: 'direct' } },
      { type: 'tool_use', id: 'toolu_2', name: 'time', input: {}, caller: { type: 'direct' } },
    ]);
    expect(json.at(-1)).toEqual({});
  });

  it('sign thinking that shall not be shown', async () => {
    chatSays(weatherCall);
    const { content } = await client.messages.create({
      ...request,
      thinking: { type: 'enabled', budget_tokens: 2000, display: 'omitted' },
    });
    expect(content[0]).toMatchObject({ type: 'thinking', thinking: '' });
    expect((content[0] as Anthropic.ThinkingBlock).signature).not.toBe('');
  });

  it('say why they ended', async () => {
    const ends = async (fields: object) => {
      const { content, stop_reason, stop_sequence } = await client.messages.create({ ...request, ...fields });
      return {
        text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
        stop_reason,
        stop_sequence,
      };
    };
    expect(await ends({ max_tokens: 3 })).toEqual({ text: 'Hel', stop_reason: 'max_tokens', stop_sequence: null });
    expect(await ends({ stop_sequences: ['zz', 'lo'] })).toEqual({
      text: 'Hel',
      stop_reason: 'stop_sequence',
      stop_sequence: 'lo',
    });
    script = () => new Array(5000).fill(97);
    expect(await ends({ max_tokens: 5000 })).toMatchObject({ stop_reason: 'model_context_window_exceeded' });
  });

  it('take up an unfinished call', async () => {
    chatSays([
      ...weatherCall.slice(0, 5),
      { type: 'done', reason: 'length', stats: { ...stats, completionTokens: 100 } },
    ]);
    const answer = await client.messages.create(request);
    expect(answer.content.at(-1)).toMatchObject({ type: 'tool_use', name: 'weather', input: {} });
    expect(answer.stop_reason).toBe('max_tokens');
  });

  it('keep a quiet stream alive with pings, which clients skip', async () => {
    script = async function* (asked) {
      await new Promise((resolve) => setTimeout(resolve, 600));
      yield* hello(asked);
    };
    const body = JSON.stringify({ ...request, stream: true });
    const text = await (await fetch(`${server.url}/v1/messages`, { method: 'POST', body })).text();
    expect(text).toMatch(/^event: ping\ndata: \{"type":"ping"\}\n\n/);
    expect((await client.messages.stream(request).finalMessage()).content).toMatchObject([{ text: 'Hello you' }]);
  });
});

it('hands a conversation and every setting on in our terms', async () => {
  const asked = chatSays([{ type: 'done', reason: 'stop', stats }]);
  await client.messages.create({
    model: 'tiny',
    max_tokens: 1000,
    system: [
      { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'Be kind.' },
    ],
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'A tool.', signature: 'x' },
          { type: 'redacted_thinking', data: 'x' },
          { type: 'text', text: 'Looking.' },
          { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Paris' } },
          { type: 'tool_use', id: 'toolu_2', name: 'weather', input: { city: 'Rome' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'Sun' }] },
          { type: 'tool_result', tool_use_id: 'toolu_2', content: 'no such city', is_error: true },
          { type: 'text', text: 'So?' },
          { type: 'document', title: 'Notes', source: { type: 'text', media_type: 'text/plain', data: 'It rains.' } },
        ],
      },
    ],
    tools: [{ ...weather, strict: true }],
    tool_choice: { type: 'tool', name: 'weather', disable_parallel_tool_use: true },
    thinking: { type: 'enabled', budget_tokens: 2000 },
    stop_sequences: ['END'],
    metadata: { user_id: 'someone' },
    output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
    ...{ temperature: 0.5, top_p: 0.9, top_k: 7 },
  });
  expect(asked[0].messages).toEqual([
    { role: 'system', content: 'Be brief.\nBe kind.' },
    { role: 'user', content: 'Weather?' },
    {
      role: 'assistant',
      content: 'Looking.',
      thinking: 'A tool.',
      toolCalls: [
        { id: 'toolu_1', name: 'weather', arguments: { city: 'Paris' } },
        { id: 'toolu_2', name: 'weather', arguments: { city: 'Rome' } },
      ],
    },
    { role: 'tool', content: 'Sun', toolCallId: 'toolu_1', name: 'weather' },
    { role: 'tool', content: 'Error: no such city', toolCallId: 'toolu_2', name: 'weather' },
    { role: 'user', content: 'So?\nNotes\nIt rains.' },
  ]);
  expect(asked[0].options).toMatchObject({
    maxTokens: 1000,
    temperature: 0.5,
    topP: 0.9,
    topK: 7,
    stop: ['END'],
    think: true,
    thinkingBudget: 2000,
    toolChoice: { name: 'weather' },
    parallelToolCalls: false,
    format: { type: 'json_schema', schema: { type: 'object' } },
    tools: [
      {
        type: 'function',
        function: { name: 'weather', description: 'Tells the weather', parameters: weather.input_schema, strict: true },
      },
    ],
  });
});

it('goes on with a message that has begun', async () => {
  const begun = { ...request, messages: [...messages, { role: 'assistant' as const, content: 'Well, ' }] };
  const answer = await client.messages.create(begun);
  expect(answer.content).toMatchObject([{ type: 'text', text: 'Hello you' }]);
  expect(lastRequest().prompt).toMatch(/<\|im_start\|>assistant\n<think>\n\n<\/think>\n\nWell, $/);
  expect((await client.messages.countTokens(begun)).input_tokens).toBe(lastRequest().tokens.length);
  const thinking = { type: 'enabled' as const, budget_tokens: 2000 };
  await expect(client.messages.create({ ...begun, thinking })).rejects.toMatchObject({ status: 400 });
});

it('thinks only where it is asked to', async () => {
  const asked = chatSays(...[1, 2, 3].map((): TextEvent[] => [{ type: 'done', reason: 'stop', stats }]));
  await client.messages.create(request);
  await client.messages.create({ ...request, thinking: { type: 'disabled' } });
  await client.messages.create({ ...request, thinking: { type: 'adaptive' }, output_config: { effort: 'low' } });
  expect(asked.map(({ options: { think, thinkingBudget } }) => ({ think, thinkingBudget }))).toEqual([
    { think: false, thinkingBudget: undefined },
    { think: false, thinkingBudget: undefined },
    { think: true, thinkingBudget: 1024 },
  ]);
});

it('runs tools by the client’s tool runner until the model answers', async () => {
  const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>';
  script = ({ tokens }) => {
    const known = tokenizer.decode(tokens, { control: true }).includes('<tool_response>\nsunny\n</tool_response>');
    return say(known ? 'It is sunny.<|im_end|>' : `Let me look.\n${call}<|im_end|>`);
  };
  const run = vi.fn(async () => 'sunny');
  const final = await client.beta.messages.toolRunner({
    ...request,
    tools: [{ ...weather, type: 'custom' as const, run, parse: (input: unknown) => input as { city: string } }],
  });
  expect(run).toHaveBeenCalledWith({ city: 'Paris' }, expect.anything());
  expect(final.content).toMatchObject([{ type: 'text', text: 'It is sunny.' }]);
  expect(final.stop_reason).toBe('end_turn');
});

it('lists models in Anthropic’s shape to those who name its version', async () => {
  const page = await client.models.list();
  expect(page.data).toMatchObject([{ id: 'tiny', type: 'model', display_name: 'tiny', max_input_tokens: 4096 }]);
  expect(await client.models.retrieve('tiny')).toMatchObject({ id: 'tiny', type: 'model' });
  const all: string[] = [];
  for await (const { id } of client.models.list({ limit: 1 })) all.push(id);
  expect(all).toEqual(['tiny']);
  await expect(client.models.retrieve('other')).rejects.toMatchObject({ status: 404, type: 'not_found_error' });
  expect((await (await fetch(`${server.url}/v1/models`)).json()).object).toBe('list');
});

describe('errors', () => {
  const cases: [name: string, fields: object, status: number, message: RegExp][] = [
    ['another model', { model: 'claude' }, 404, /'claude' is not served/],
    ['no limit', { max_tokens: undefined }, 400, /'max_tokens' is required/],
    ['no messages', { messages: [] }, 400, /messages/],
    ['a strange role', { messages: [{ role: 'god', content: '' }] }, 400, /messages\[0\].role/],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'x' } }] }] },
      400,
      /messages\[0\].content\[0\].type.*'image' blocks are not supported/,
    ],
    [
      'a file',
      { messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'file', file_id: 'x' } }] }] },
      400,
      /only documents of plain text/,
    ],
    [
      'a result of no call',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'x' }] }] },
      400,
      /no 'tool_use' before it/,
    ],
    ['a tool of Anthropic’s', { tools: [{ type: 'bash_20250124', name: 'bash' }] }, 400, /tools\[0\]/],
    ['a choice of no tool', { tool_choice: { type: 'any' } }, 400, /no tools to call/],
    [
      'a choice of another tool',
      { tools: [weather], tool_choice: { type: 'tool', name: 'x' } },
      400,
      /no function 'x'/,
    ],
    ['servers of tools', { mcp_servers: [{}] }, 400, /mcp_servers/],
    ['a prompt over the context', { messages: [{ role: 'user', content: 'a'.repeat(5000) }] }, 400, /context/],
    [
      'a conversation over the context',
      {
        messages: Array.from({ length: 9 }, (_, i) => ({
          role: i % 2 ? 'assistant' : 'user',
          content: 'a'.repeat(900),
        })),
      },
      400,
      /too long/,
    ],
  ];
  it.each(cases)('%s', async (_name, fields, status, message) => {
    for (const stream of [false, true]) {
      const asked = client.messages.create({
        ...request,
        ...fields,
        stream,
      } as Anthropic.MessageCreateParamsNonStreaming);
      const error = await asked.then(
        () => undefined,
        (error) => error,
      );
      expect(error).toBeInstanceOf(Anthropic.APIError);
      expect({ status: error.status, type: error.error.type }).toEqual({ status, type: 'error' });
      expect(error.error.error.message).toMatch(message);
      expect(error.error.request_id).toBe(error.requestID);
    }
  });

  it('in the middle of a stream', async () => {
    script = function* () {
      yield* say('Hel');
      throw new Error('secret detail');
    };
    const stream = client.messages.stream(request);
    let text = '';
    stream.on('text', (delta) => {
      text += delta;
    });
    await expect(stream.finalMessage()).rejects.toMatchObject({ type: 'api_error' });
    expect(text).toBe('Hel');
  });

  it('of routes that are not here, and of keys and their limits', async () => {
    await expect(client.messages.batches.create({ requests: [] })).rejects.toMatchObject({ status: 404 });
    const info = { id: 'k', limits: { requestsPerMinute: 1 } };
    const keys = new KeyRing([{ info, hash: hashSecret('right') }]);
    const locked = await listen(model, { port: 0, keys });
    const ask = (apiKey: string) => new Anthropic({ baseURL: locked.url, apiKey, maxRetries: 0 }).models.list();
    await expect(ask('wrong')).rejects.toMatchObject({ status: 401, type: 'authentication_error' });
    expect((await ask('right')).data).toHaveLength(1);
    const limited = new Anthropic({ baseURL: locked.url, apiKey: 'right', maxRetries: 0 });
    await limited.messages.create(request);
    const refused = await limited.messages.create(request).catch((error) => error);
    expect(refused).toMatchObject({ status: 429, type: 'rate_limit_error' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await locked.close();
  });
});

it('answers by the model in the house', async () => {
  await using mini = await load('models/mini');
  const own = await listen(mini, { port: 0 });
  const anthropic = new Anthropic({ baseURL: own.url, apiKey: 'none' });
  const question = {
    model: 'mini',
    max_tokens: 40,
    temperature: 0,
    messages: [{ role: 'user' as const, content: 'What is the capital of Japan?' }],
  };
  const whole = await anthropic.messages.create(question);
  expect(whole.content).toMatchObject([{ type: 'text', text: 'The capital of Japan is Tokyo.' }]);
  expect(whole.stop_reason).toBe('end_turn');
  const streamed = await anthropic.messages.stream(question).finalMessage();
  expect(streamed.content).toEqual(whole.content);
  const input_schema = {
    type: 'object' as const,
    properties: { city: { enum: ['Tokyo', 'Oslo'] } },
    required: ['city'],
    additionalProperties: false,
  };
  const called = await anthropic.messages.create({
    ...question,
    max_tokens: 200,
    tools: [{ name: 'weather', input_schema }],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
  });
  expect(called.content).toMatchObject([
    { type: 'tool_use', name: 'weather', input: { city: expect.stringMatching(/^(Tokyo|Oslo)$/) } },
  ]);
  expect(called.stop_reason).toBe('tool_use');
  const formed = await anthropic.messages.parse({
    ...question,
    max_tokens: 200,
    output_config: { format: { type: 'json_schema', schema: input_schema } },
  });
  expect(JSON.parse((formed.content[0] as Anthropic.TextBlock).text).city).toMatch(/^(Tokyo|Oslo)$/);
  const { input_tokens } = await anthropic.messages.countTokens(question);
  expect(whole.usage.input_tokens + whole.usage.cache_read_input_tokens!).toBe(input_tokens);
  await own.close();
});
