import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIELDS, readShape } from './shapes.js';
import { Work } from './work.js';

const work = new Work({
  model: 'models/glossary',
  shapes: {},
  filters: { maxRepetition: 0.5, maxSymbols: 0.9, scripts: ['latin'] },
  mask: ['email', 'phone'],
  encode: {},
  signDocuments: true,
  signQuestions: true,
});

describe('whatever a record holds', () => {
  const role = fc.constantFrom('user', 'assistant', 'system', 'tool', 'human', 'gpt', 'function_call', 'x', 7);
  const content = fc.oneof(
    fc.string(),
    fc.constant(null),
    fc.array(fc.record({ type: fc.string(), text: fc.string() })),
  );
  const message = fc.record(
    {
      role,
      from: role,
      content,
      value: content,
      weight: fc.oneof(fc.double(), fc.constant(1)),
      reasoning_content: content,
      tool_calls: fc.oneof(fc.array(fc.record({ name: fc.string(), arguments: fc.jsonValue() })), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const value = fc.oneof({ weight: 3, arbitrary: fc.array(message, { maxLength: 4 }) }, fc.string(), fc.jsonValue());
  const plain = fc.record({ role: fc.constantFrom('user', 'assistant', 'tool'), content: fc.string({ minLength: 1 }) });
  const conversation = fc.record({
    messages: fc.array(fc.oneof({ weight: 5, arbitrary: plain }, message)),
    tools: value,
  });
  const record = fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 4 });

  it('it becomes an example or a fault that says why, and never an error', () => {
    let good = 0;
    fc.assert(
      fc.property(fc.oneof(record, conversation, fc.jsonValue()), (data) => {
        const records = [{ line: 7, json: JSON.stringify(data) }];
        const [scanned] = work.scan(records).records;
        const { faults, ends } = work.encode(records, Uint8Array.of(1));
        if (scanned.fault !== undefined) expect(scanned).toEqual({ line: 7, fault: scanned.fault });
        else if (faults.length === 0) good++;
        if (scanned.fault === undefined) expect(ends.length + faults.length).toBeGreaterThan(0);
        expect(scanned.fault).not.toBe('');
      }),
      { numRuns: 1500 },
    );
    expect(good).toBeGreaterThan(20);
  });

  it('it may nest as deeply as it likes', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const json = `{"text": "a", "tools": ${deep}, "messages": [{"role": "assistant", "content": "b"}]}`;
    expect(work.scan([{ line: 1, json }]).records[0].fault).toBeDefined();
  });
});

describe('messages', () => {
  const read = (...messages: object[]) => {
    const { example } = readShape({ messages });
    return example.kind === 'chat' ? example.messages : [];
  };
  const user = { role: 'user', content: 'a' };

  it('give up their thoughts, wherever they are written', () => {
    for (const answer of [
      { content: '<think>\nwhy\n</think>\n\nb' },
      { content: 'b', reasoning_content: 'why' },
      { content: [{ type: 'text', text: 'b' }], thinking: 'why' },
    ]) {
      expect(read(user, { role: 'assistant', ...answer })[1]).toEqual({
        role: 'assistant',
        content: 'b',
        thinking: 'why',
      });
    }
    expect(read(user, { role: 'assistant', content: 'a <think>b</think>' })[1].content).toBe('a <think>b</think>');
  });

  it('call tools by objects or by JSON in texts', () => {
    const call = { name: 'f', arguments: { a: 1 } };
    for (const tool_calls of [
      [call],
      [{ type: 'function', function: { name: 'f', arguments: '{"a": 1}' } }],
      JSON.stringify([call]),
    ]) {
      expect(read(user, { role: 'assistant', content: null, tool_calls })[1].toolCalls).toEqual([call]);
    }
    const { example } = readShape({
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'function_call', value: '{"name": "f", "arguments": {"a": 1}}' },
        { from: 'observation', value: 'r' },
        { from: 'gpt', value: 'b' },
      ],
      tools: '[{"name": "f"}]',
    });
    expect(example).toMatchObject({
      tools: [{ name: 'f' }],
      messages: [{}, { toolCalls: [call] }, { role: 'tool' }, {}],
    });
  });

  it.each([
    [[{ role: 'user' }], 'messages[0].content is missing'],
    [[{ role: 'User', content: 'a' }], 'messages[0] has the role "User"'],
    [[user, { role: 'assistant', content: ' ' }], 'messages[1] is an empty answer'],
    [[user, { role: 'assistant', content: 'b', weight: 2 }], 'messages[1].weight is 2'],
    [[user], 'no message is from the assistant'],
    [[{ role: 'user', content: [{ type: 'image_url' }] }], 'messages[0].content has a part that is not text'],
    [[user, { role: 'assistant', content: 'b', tool_calls: [{}] }], 'messages[1].tool_calls[0] has no name'],
    [[], 'messages is empty'],
  ])('%j are refused: %s', (messages, fault) => {
    expect(() => read(...messages)).toThrow(fault);
  });
});

it('pairs of whole conversations are cut where they part', () => {
  const turn = (role: string, content: string) => ({ role, content });
  const beginning = [turn('user', 'a'), turn('assistant', 'b'), turn('user', 'c')];
  const { example } = readShape({
    chosen: [...beginning, turn('assistant', 'good')],
    rejected: [...beginning, turn('assistant', 'bad')],
  });
  expect(example).toEqual({
    kind: 'pair',
    prompt: beginning,
    chosen: [turn('assistant', 'good')],
    rejected: [turn('assistant', 'bad')],
  });
  expect(() => readShape({ chosen: [turn('assistant', 'x')], rejected: [turn('assistant', 'y')] })).toThrow(
    /no prompt/,
  );
});
