/** Adapters as users meet them: `kaiwen serve` and `kaiwen run` as child processes over the shipped model. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { complaints } from './complaints.js';
import { writeRandomAdapter } from './random-adapter.js';

const MODEL = 'models/glossary';
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
const [one, two] = [join(folder, 'one'), join(folder, 'two')];
let server: ChildProcess;
let openai: OpenAI;

function start(...args: string[]): ChildProcess {
  const { KAIWEN_API_KEY: _, ...env } = process.env;
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  return spawn(process.execPath, ['dist/cli/main.js', ...args], { env: { ...env, NO_COLOR: '1' }, stdio: [...stdio] });
}

async function outcome(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = start(...args);
  const result = { code: 0, out: '', err: '' };
  child.stdout!.on('data', (data) => {
    result.out += data;
  });
  child.stderr!.on('data', (data) => {
    result.err += data;
  });
  [result.code] = await once(child, 'close');
  return result;
}

beforeAll(async () => {
  await writeRandomAdapter(MODEL, one, { seed: 3, strength: 0.05 });
  await writeRandomAdapter(MODEL, two, { seed: 40, strength: 0.05, dora: true });
  server = start('serve', MODEL, '--port', '0', '--adapter', one, '--adapter', `second=${two}`, '--parallel', '6');
  let text = '';
  for await (const piece of server.stdout!) {
    text += piece;
    if (text.includes('second')) break;
  }
  expect(text).toMatch(/"model": "one" asks for the adapter/);
  openai = new OpenAI({ baseURL: /http:\/\/[\d.]+:\d+\/v1/.exec(text)![0], apiKey: 'none', maxRetries: 0 });
});
afterAll(() => {
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

async function ask(model: string, word: string): Promise<string> {
  const { choices, model: answered } = await openai.chat.completions.create({
    model,
    messages: [{ role: 'user', content: `What does "${word}" mean?` }],
    temperature: 0,
    max_tokens: 24,
  });
  expect(answered).toBe(model);
  return choices[0].message.content!;
}

it('lists the model and its adapters', async () => {
  const models = (await openai.models.list()).data as { id: string; parent?: string }[];
  expect(models.map(({ id, parent }) => [id, parent])).toEqual([
    ['glossary', undefined],
    ['one', 'glossary'],
    ['second', 'glossary'],
  ]);
  expect(await openai.models.retrieve('second')).toMatchObject({ id: 'second', parent: 'glossary' });
  await expect(ask('third', 'apple')).rejects.toMatchObject({ status: 404, message: /'glossary', 'one', 'second'/ });
});

it('answers with whom the model field names, all at once as one after the other', async () => {
  const questions = ['glossary', 'one', 'second'].flatMap((model) => ['apple', 'peace'].map((word) => [model, word]));
  const alone: string[] = [];
  for (const [model, word] of questions) alone.push(await ask(model, word));
  expect(new Set(alone).size).toBe(questions.length);
  const together = await Promise.all(questions.map(([model, word]) => ask(model, word)));
  expect(together).toEqual(alone);
  const { choices } = await openai.completions.create({ model: 'second', prompt: 'A whale is', temperature: 0 });
  const base = await openai.completions.create({ model: 'glossary', prompt: 'A whale is', temperature: 0 });
  expect(choices[0].text).not.toBe(base.choices[0].text);
});

it('run answers with the first adapter it is given, by its own chat template if it has one', async () => {
  const question = 'What does "apple" mean?';
  const greedy = ['run', MODEL, question, '--greedy', '--max-tokens', '24'];
  const answer = await outcome(...greedy, '--adapter', `x=${one}`, '--adapter', two);
  expect(answer).toMatchObject({ code: 0, out: `${await ask('one', 'apple')}\n` });
  writeFileSync(
    join(one, 'chat_template.jinja'),
    '<|im_start|>user\nWhat does "peace" mean?<|im_end|>\n{{ "<|im_start|>assistant\\n" }}',
  );
  expect((await outcome(...greedy, '--adapter', one)).out).toBe(`${await ask('one', 'peace')}\n`);
});

it.each([
  [['run', MODEL, 'x', '--adapter', join(folder, 'none')], 1, 'no such adapter'],
  [['run', MODEL, 'x', '--adapter', `a=${one}`, '--adapter', `a=${two}`], 2, 'Two adapters are called "a"'],
  [['serve', MODEL, '--port', '0', '--adapter', `glossary=${one}`], 2, 'both called "glossary"'],
  [['run', MODEL, 'x', '--adapter', 'test/fixtures/adapters/lora'], 1, 'does not fit'],
])('complains in one line: %j', async (args, code, message) => {
  const result = await outcome(...args);
  expect(result.code).toBe(code);
  expect(complaints(result.err)).toMatch(new RegExp(`^kaiwen: .*${message}.*\n$`));
});
