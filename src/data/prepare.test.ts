import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTokenizer } from '../tokenizer/load.js';
import type { Datasheet } from './datasheet.js';
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
    const { train, report } = await run([path], { dedupe: 'none' });
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
    await expect(run([file('bad.jsonl', '{')], { force: true })).rejects.toThrow(
      /nothing to learn from \(1 bad, the first: .*bad\.jsonl:1:/,
    );
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

  it('says so where everything resembles everything', async () => {
    const lines = Array.from({ length: 50 }, (_, i) => ({ prompt: 'The same question?', completion: `answer ${i}` }));
    const { validation, notices } = await run([file('a.jsonl', lines)], { validation: 0.1 });
    expect(validation).toBeUndefined();
    expect(notices).toEqual([expect.stringMatching(/^0 examples instead of 5 are kept for validation/)]);
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
    expect(chat.report.dropped).toEqual({ 'too many tokens': 1 });
  });

  it('does not write over what is there', async () => {
    const path = file('a.jsonl', [{ text: 'a' }]);
    await run([path]);
    expect(await run([path])).toMatchObject({ reused: true, train: { documents: 1 } });
    await expect(run([path], { plain: true })).rejects.toThrow(/prepared from other files or with other settings/);
    expect(readdirSync(join(folder, 'out')).sort()).toEqual(['datasheet.json', 'prepare.json', 'train']);
    await expect(run([path], { out: folder })).rejects.toThrow(/is not empty/);
    await expect(run([join(folder, 'none.jsonl')])).rejects.toThrow(/no such file/);
    await expect(run([file('a.exe', 'x')])).rejects.toThrow(/not read/);
  });

  it('drops what is there twice or nearly, of low quality, and masks, each with a count', async () => {
    const words = Array.from({ length: 120 }, (_, i) => `word${i}`);
    const path = file('a.jsonl', [
      { text: words.join(' '), license: 'MIT' },
      { text: words.join(' '), license: 'MIT' },
      { text: [...words.slice(0, 119), 'another'].join(' ') },
      { text: words.toReversed().join(' '), source: 'elsewhere' },
      { text: 'short' },
      { text: 'write to a@example.com about the short words of this text' },
    ]);
    const options = { dedupe: 'near', filters: { minChars: 10 }, mask: ['email'] } as const;
    const { train, report } = await run([{ path, licence: 'CC0' }], options);
    expect(report).toMatchObject({ records: 6, kept: 3, masked: { email: 1 } });
    expect(report.dropped).toEqual({ duplicate: 1, 'near duplicate': 1, 'too short': 1 });
    expect(texts(train.path).at(-1)).toContain('write to [email] about');
    const sheet = JSON.parse(readFileSync(join(folder, 'out/datasheet.json'), 'utf8')) as Datasheet;
    expect(sheet.sources.map(({ name, licence, documents }) => [name, licence, documents])).toEqual([
      [path, 'MIT', 1],
      [path, 'CC0', 1],
      ['elsewhere', 'CC0', 1],
    ]);
    expect(sheet.licences.CC0.documents).toBe(2);
    expect(sheet.files[0].sha256).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
    expect(sheet.train.hash).toBe(train.hash);
  });

  describe('of more than one batch', () => {
    const lines = Array.from({ length: 1500 }, (_, i) => ({
      prompt: `How much is ${i} and ${(i * 7) % 100}?`,
      completion: 'It is '.repeat(i % 9) + (i + ((i * 7) % 100)),
    }));
    const content = (name: string) =>
      Object.fromEntries(
        readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => {
            const path = join(entry.parentPath, entry.name);
            return [path.slice(join(folder, name).length), readFileSync(path, 'hex')];
          }),
      );
    const options = { validation: 0.1, shardTokens: 4000 };

    it('gives the same bytes whatever the number of threads', async () => {
      const path = file('a.jsonl', lines);
      await run([path], { ...options, threads: 1, out: join(folder, 'one') });
      await run([path], { ...options, threads: 3, out: join(folder, 'three') });
      const one = content('one');
      expect(Object.keys(one).filter((name) => name.startsWith('/train/')).length).toBeGreaterThan(4);
      expect(content('three')).toEqual(one);
    });

    it('goes on after an interruption, and gives what it would have given without', async () => {
      const path = file('a.jsonl', lines);
      await run([path], { ...options, out: join(folder, 'whole') });
      const interrupted = new AbortController();
      let read = 0;
      const attempt = run([path], {
        ...options,
        signal: interrupted.signal,
        onProgress: ({ stage }) => {
          if (stage === 'tokenising' && ++read === 3) interrupted.abort();
        },
      });
      await expect(attempt).rejects.toMatchObject({ code: 'aborted' });
      expect(existsSync(join(folder, 'out/train/shard-00000.bin'))).toBe(true);
      expect(() => new ShardReader(join(folder, 'out/train'))).toThrow(/no shards.json/);
      let stages = 0;
      await run([path], {
        ...options,
        onProgress: ({ stage }) => {
          if (stage === 'tokenising') stages++;
          else throw new Error('it reads again what was planned');
        },
      });
      expect(stages).toBeLessThan(6);
      expect(content('out')).toEqual(content('whole'));
    });
  });
});
