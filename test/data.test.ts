/** `kaiwen data` as a user meets it: child processes of the built program. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODEL = join(ROOT, 'models/glossary');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-data-'));
  const chat = (i: number) => ({
    messages: [
      { role: 'user', content: `What is ${i}?` },
      { role: 'assistant', content: `A number, ${i}.` },
    ],
  });
  const lines = Array.from({ length: 30 }, (_, i) => JSON.stringify(chat(i)));
  lines[11] = '{"messages": [{"role": "user", "content": "cut';
  lines[20] = '{"messages": [{"role": "robot", "content": "x"}]}';
  writeFileSync(join(folder, 'chat.jsonl'), lines.join('\n'));
  writeFileSync(join(folder, 'faq.csv'), 'Frage;Antwort\nDo you ship?;"Yes; within\n3 days."\nonly one\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(args: readonly string[]): ChildProcess {
  const env = { ...process.env, NO_COLOR: '1' };
  return spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'data', ...args], { cwd: folder, env });
}

async function data(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(args);
  let [out, err] = ['', ''];
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

function contents(name: string): Record<string, string> {
  const files = readdirSync(join(folder, name), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  return Object.fromEntries(
    files.map((e) => [
      join(e.parentPath, e.name).slice(join(folder, name).length),
      readFileSync(join(e.parentPath, e.name), 'hex'),
    ]),
  );
}

describe('help and wrong usage', () => {
  test.each(['prepare', 'validate', 'preview', 'stats'])('%s has help with examples', async (name) => {
    const { code, out, err } = await data(name, '--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(`Usage: kaiwen data ${name}`);
    expect(out).toContain('Examples:');
  });

  test.each([
    [['prepare', 'chat.jsonl', '--out', 'x'], '--model'],
    [['prepare', 'chat.jsonl', '--model', MODEL], '--out'],
    [['preview', 'chat.jsonl', '--model', MODEL, '--field', 'a'], '--field'],
    [['validate', 'chat.jsonl', '--script', 'klingon'], '--script'],
    [['validate', 'chat.jsonl', '--max-symbols', '2'], '--max-symbols'],
    [['validate', 'chat.jsonl', '--licence', 'a', '--licence', 'b'], '2 licences for 1 paths'],
  ])('%j ends with code 2 and one line', async (args, message) => {
    const { code, out, err } = await data(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

test('validate names each bad record with file and line, and ends with code 1', async () => {
  const { code, out } = await data(
    'validate',
    'chat.jsonl',
    'faq.csv',
    '--field',
    'Frage=prompt',
    '--field',
    'Antwort=completion',
  );
  expect(code).toBe(1);
  expect(out).toMatch(/^chat\.jsonl:12: it is not JSON/m);
  expect(out).toMatch(/^chat\.jsonl:21: messages\[0\] has the role "robot"$/m);
  expect(out).toMatch(/^faq\.csv:4: it has 1 field, the header has 2 fields$/m);
  expect(out).toContain('3 records of 32 bad');
  const good = await data('validate', 'chat.jsonl', '--json', '--model', MODEL);
  expect(JSON.parse(good.out)).toMatchObject({
    examples: { chat: 28 },
    report: { records: 30, faults: 2 },
    tokens: { documents: 28 },
  });
});

test('preview shows the loss mask token by token', async () => {
  const { code, out } = await data('preview', 'chat.jsonl', '--model', MODEL, '--count', '1', '--skip', '2');
  expect(code).toBe(0);
  const [title, before, learned, after] = out.trimEnd().split('\n');
  expect(title).toMatch(/^chat\.jsonl:3: \d+ tokens, \d+ learned$/);
  expect(before.replaceAll('│', '')).toBe('   0  <|im_start|>user↵What is 2?<|im_end|>↵<|im_start|>assistant↵');
  expect(learned.replaceAll('│', '')).toBe('   1  A number, 2.<|im_end|>');
  expect(after).toBe('   0  ↵');
  const json = await data('preview', 'chat.jsonl', '--model', MODEL, '--count', '2', '--json');
  const lines = json.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { ids: number[]; tokens: string[] });
  expect(lines).toHaveLength(2);
  expect(lines[0].tokens).toHaveLength(lines[0].ids.length);
});

test('prepare writes shards that stats and preview read, and refuses what is damaged', async () => {
  const args = ['chat.jsonl', '--model', MODEL, '--out', 'made', '--validation', '0.1', '--licence', 'MIT'];
  const made = await data('prepare', ...args, '--json');
  expect(made.code).toBe(0);
  expect(JSON.parse(made.out)).toMatchObject({ train: { documents: 25 }, validation: { documents: 3 }, reused: false });
  const again = await data('prepare', ...args);
  expect(again.out).toContain('nothing was done');
  const stats = JSON.parse((await data('stats', 'made', '--json')).out);
  expect(stats).toMatchObject({ train: { documents: 25, sources: [{ name: 'chat.jsonl', licence: 'MIT' }] } });
  expect((await data('preview', 'made', '--model', MODEL, '--count', '1')).out).toContain('made/train, document 0');
  truncateSync(join(folder, 'made/train/shard-00000.bin'), 100);
  const damaged = await data('stats', 'made');
  expect(damaged.code).toBe(1);
  expect(damaged.err).toMatch(/shard-00000\.bin: the shard is damaged, it has 100 bytes/);
  const strict = await data('prepare', 'chat.jsonl', '--model', MODEL, '--out', 'strict', '--strict');
  expect(strict.code).toBe(1);
  expect(strict.err).toMatch(/chat\.jsonl:12: it is not JSON/);
});

test('a killed prepare goes on, and the result is the same byte for byte', async () => {
  const text = (i: number) => Array.from({ length: 60 }, (_, j) => `word${(i * 31 + j * j) % 997}`).join(' ');
  const lines = Array.from({ length: 6000 }, (_, i) => JSON.stringify({ text: `${i} ${text(i)}` }));
  writeFileSync(join(folder, 'long.jsonl'), lines.join('\n'));
  const args = ['long.jsonl', '--model', MODEL, '--validation', '0.05', '--shard-tokens', '60000'];
  expect((await data('prepare', ...args, '--out', 'whole', '--threads', '2')).code).toBe(0);
  for (const shard of ['shard-00000.bin', 'shard-00003.bin']) {
    const child = start(['prepare', ...args, '--out', 'killed', '--threads', '1']);
    const ended = new Promise((resolve) => child.on('close', resolve));
    while (!existsSync(join(folder, 'killed/train', shard)) && child.exitCode === null) await sleep(2);
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(join(folder, 'killed/datasheet.json'))).toBe(false);
  }
  expect((await data('prepare', ...args, '--out', 'killed')).code).toBe(0);
  const whole = contents('whole');
  expect(Object.keys(whole).length).toBeGreaterThan(12);
  expect(contents('killed')).toEqual(whole);
});
