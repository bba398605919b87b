import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTokenizer } from '../tokenizer/load.js';
import { type PrepareOptions, prepare } from './prepare.js';
import { ShardReader } from './shards.js';

const MODEL = 'models/glossary';
const tokenizer = openTokenizer(MODEL);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-prepare-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | object[]): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    typeof content === 'string' ? content : content.map((line) => `${JSON.stringify(line)}\n`).join(''),
  );
  return path;
}

const run = (sources: PrepareOptions['sources'], options: Partial<PrepareOptions> = {}) =>
  prepare({ sources, model: MODEL, out: join(folder, 'out'), validation: 0, ...options });

function texts(path: string): string[] {
  using reader = new ShardReader(path);
  return Array.from({ length: reader.documents }, (_, i) =>
    tokenizer.decode(reader.document(i).ids, { control: true }),
  );
}

describe('prepare', () => {
  it('reads every shape of a line', async () => {
    const path = file('a.jsonl', [
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      },
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
        system: 's',
      },
      { instruction: 'a', input: 'i', output: 'b' },
      { prompt: 'a', completion: 'b' },
      { question: 'a', answer: 'b' },
    ]);
    const { train, report } = await run([path]);
    expect(train.kind).toBe('chat');
    const turn = (question: string) => `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n`;
    expect(texts(train.path)).toEqual([
      turn('a'),
      `<|im_start|>system\ns<|im_end|>\n${turn('a')}`,
      turn('a\n\ni'),
      turn('a'),
      turn('a'),
    ]);
    expect(report).toMatchObject({ records: 5, kept: 5, faults: 0 });
  });

  it('skips bad lines in the middle, and says where and why', async () => {
    const path = file('a.jsonl', '{"text": "one"}\n{"text": tw\n\n[1]\n{"text": ""}\n{"txt": 1}\r\n{"text": "two"}');
    const { train, report } = await run([path]);
    expect(texts(train.path)).toEqual(['one<|endoftext|>', 'two<|endoftext|>']);
    expect(report.faults).toBe(4);
    expect(report.faultList.map(({ line, fault }) => `${line}: ${fault.slice(0, 14)}`)).toEqual([
      '2: it is not JSON',
      '4: it is a list, ',
      '5: the text is em',
      '6: no shape of da',
    ]);
    await expect(run([path], { force: true, strict: true })).rejects.toThrow(`${path}:2: it is not JSON`);
    await expect(run([path], { force: true, maxFaults: 3 })).rejects.toThrow(
      /More than 3 records are bad; the first: .*:2:/,
    );
    await expect(run([file('bad.jsonl', '{')], { force: true })).rejects.toThrow(/no usable record/);
  });

  it('keeps a question on one side', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => ({
      prompt: `Question ${i % 100}?`,
      completion: `answer ${i}`,
    }));
    const { train, validation } = await run([file('a.jsonl', lines)], { validation: 0.1 });
    const questions = (path: string) => new Set(texts(path).map((text) => /Question \d+/.exec(text)![0]));
    const [seen, held] = [questions(train.path), questions(validation!.path)];
    expect([seen.size, held.size]).toEqual([90, 10]);
    expect([...held].filter((question) => seen.has(question))).toEqual([]);
    const again = await run([file('b.jsonl', lines.reverse())], { validation: 0.1, out: join(folder, 'again') });
    expect(questions(again.validation!.path)).toEqual(held);
  });

  it('takes pairs, texts of files, and cuts or leaves out what is too long', async () => {
    const pair = { prompt: 'a', chosen: 'good', rejected: 'bad' };
    const pairs = await run([file('p.jsonl', [pair, { ...pair, rejected: 'good' }])]);
    expect(pairs.train).toMatchObject({ kind: 'pairs', documents: 2 });
    expect(pairs.report.faultList[0].fault).toBe('chosen and rejected are the same');
    const text = await run([file('t.txt', 'one two three four five six seven\n\nmore')], { force: true, maxTokens: 4 });
    expect(texts(text.train.path).join('')).toBe('one two three four five six seven\n\nmore<|endoftext|>');
    const long = { prompt: 'a', completion: 'b '.repeat(100) };
    const chat = await run([file('c.jsonl', [long, { prompt: 'a', completion: 'b' }])], { force: true, maxTokens: 40 });
    expect(chat.train.documents).toBe(1);
    expect(chat.report.dropped).toEqual({ 'longer than --max-tokens': 1 });
  });

  it('does not write over what is there', async () => {
    const path = file('a.jsonl', [{ text: 'a' }]);
    await run([path]);
    await expect(run([path])).rejects.toThrow(/is not empty/);
    expect(readdirSync(join(folder, 'out'))).toEqual(['train']);
    await expect(run([join(folder, 'none.jsonl')])).rejects.toThrow(/no such file/);
    await expect(run([file('a.exe', 'x')])).rejects.toThrow(/not read/);
  });
});
