import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readItems } from './layouts.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | object[]): string {
  const path = join(folder, name);
  const text = typeof content === 'string' ? content : content.map((line) => JSON.stringify(line)).join('\n');
  writeFileSync(path, text);
  return path;
}

describe('multiple choice', () => {
  it("is read in MMLU's layout", async () => {
    const path = write('college_physics_test.csv', '"Which, of these?",one,two,"three\nlines",four,C\nQ,a,b,c,d,A\n');
    const items = await readItems([path]);
    expect(items).toHaveLength(2);
    expect(items[0]).toMatchObject({
      id: 'college_physics/1',
      domain: 'college_physics',
      language: 'en',
      reference: 'C',
    });
    expect(items[0]!.task).toMatchObject({
      kind: 'choice',
      choices: ['one', 'two', 'three\nlines', 'four'],
      answer: 2,
    });
    expect(items[0]!.raw).toBe('Which, of these?\nA. one\nB. two\nC. three\nlines\nD. four\nAnswer:');
  });

  it("is read in C-Eval's layout", async () => {
    const path = write('law_val.csv', '\uFEFFid,question,A,B,C,D,answer,explanation\n7,问？,甲,乙,丙,丁,D,因为\n');
    const [item] = await readItems([path]);
    expect(item).toMatchObject({ id: 'law/7', domain: 'law', language: 'zh', reference: 'D' });
    expect(item!.task).toMatchObject({ choices: ['甲', '乙', '丙', '丁'], answer: 3 });
    expect(item!.raw).toMatch(/答案：$/);
  });

  it('takes a letter, an index or a text as the answer of a record', async () => {
    const record = { prompt: 'Q?', choices: ['x', 'y', 'z'] };
    const answers = ['B', 1, 'y'].map((answer) => ({ ...record, answer }));
    const items = await readItems([write('choices.jsonl', answers)]);
    expect(items.map(({ task }) => task.kind === 'choice' && task.answer)).toEqual([1, 1, 1]);
  });
});

describe('records', () => {
  it('are told apart by their fields', async () => {
    const tools = [{ type: 'function', function: { name: 'add' } }];
    const path = write('mixed.jsonl', [
      { question: 'How many?', answer: 'Two and two.\n#### 4' },
      { task_id: 'HumanEval/1', prompt: 'def f():\n', entry_point: 'f', test: 'def check(c): pass' },
      { task_id: 'JavaScript/1', prompt: 'const f = () => {', test: '' },
      { prompt: 'Add', tools, expected_calls: { function: { name: 'add', arguments: '{"a": 1}' } } },
      { system: 'S', prompt: 'P', expected: ['x', 7], match: 'contains', domain: 'd', language: 'zh', id: 'mine' },
      { messages: [{ role: 'user', content: 'M' }], expected: 'x' },
      { text: 'Once upon a time.' },
      { messages: [{ role: 'assistant', content: 'Hello.' }] },
    ]);
    const items = await readItems([path]);
    expect(items.map(({ task }) => task)).toEqual([
      { kind: 'answer', expected: ['4'], match: 'numeric' },
      { kind: 'code', program: 'python', prefix: 'def f():\n', tests: 'def check(c): pass', entryPoint: 'f' },
      { kind: 'code', program: 'javascript', prefix: 'const f = () => {', tests: '', entryPoint: undefined },
      { kind: 'calls', expected: [{ name: 'add', arguments: { a: 1 } }] },
      { kind: 'answer', expected: ['x', '7'], match: 'contains' },
      { kind: 'answer', expected: ['x'], match: 'exact' },
      { kind: 'text', text: 'Once upon a time.', control: false },
      { kind: 'conversation' },
    ]);
    expect(items[3]!.tools).toEqual(tools);
    expect(items[4]).toMatchObject({ id: 'mine', domain: 'd', language: 'zh' });
    expect(items[4]!.messages).toEqual([
      { role: 'system', content: 'S' },
      { role: 'user', content: 'P' },
    ]);
  });

  it('keep ids that are unique', async () => {
    const path = write('twice.jsonl', [
      { id: 1, prompt: 'a', expected: 'a' },
      { id: 1, prompt: 'b', expected: 'b' },
    ]);
    expect((await readItems([path])).map(({ id }) => id)).toEqual(['1', '1#2']);
  });

  it.each([
    ['{', /bad\.jsonl: line 2 is not JSON/],
    ['{"prompt": "x"}', /line 2 is in no layout/],
    ['{"prompt": "x", "expected": "y", "match": "fuzzy"}', /line 2 has the match "fuzzy"/],
    ['{"prompt": "x", "expected": "(", "match": "regex"}', /line 2 is wrong: "\(" is not a regular expression/],
    ['{"prompt": "x", "choices": ["a", "b"], "answer": "C"}', /line 2 is no question with choices/],
    ['{"messages": [{"role": "cat", "content": "x"}], "expected": "y"}', /line 2 is wrong: messages\[0\]/],
    ['{"messages": [{"role": "user", "content": "x"}]}', /line 2 has neither an answer nor what is expected/],
    ['{"prompt": "x", "expected_calls": [{}]}', /line 2 has an expected call without a name/],
    ['{"prompt": "x", "expected_calls": [{"name": "f", "arguments": "{"}]}', /line 2 /],
  ])('that are wrong are named by file and line: %s', async (line, message) => {
    const path = write('bad.jsonl', `{"text": "fine"}\n${line}\n`);
    await expect(readItems([path])).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringMatching(message),
    });
  });
});

it('a plain text is one item, and a missing file is named', async () => {
  expect((await readItems([write('book.txt', 'Call me Ishmael.')]))[0]!.task.kind).toBe('text');
  await expect(readItems([join(folder, 'none.csv')])).rejects.toMatchObject({ code: 'not_found' });
  await expect(readItems([write('empty.jsonl', '')])).rejects.toMatchObject({ code: 'bad_input' });
  await expect(readItems([write('empty.txt', '\n')])).rejects.toMatchObject({ code: 'bad_input' });
});
