/** The command line as a user meets it: child processes of the built program. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableIsas } from '../src/tensor/native/available.js';
import { complaints } from './complaints.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAIN = join(ROOT, 'dist/cli/main.js');
const GLOSSARY = join(ROOT, 'models/glossary');

interface Expected {
  held_out: { documents: [string, string][]; tokens: number; perplexity: number };
  greedy: { question: string; answer: string; answer_ids: number[] }[];
}

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { cwd: ROOT, env: { ...process.env, NO_COLOR: '1', ...env } });
}

async function kaiwen(args: readonly string[], input = '', env?: Record<string, string>): Promise<Outcome> {
  const child = start(args, env);
  let [out, err] = ['', ''];
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  child.stdin!.on('error', () => {}).end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

let folder: string;
let expected: Expected;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kaiwen-cli-'));
  expected = JSON.parse(await readFile(join(ROOT, 'test/fixtures/glossary/expected.json'), 'utf8'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('help and wrong usage', () => {
  const commands = [
    'run',
    'serve',
    'inspect',
    'convert',
    'merge',
    'train',
    'tokenize',
    'tokenizer',
    'data',
    'perplexity',
    'eval',
    'bench',
    'logits',
  ];

  test('help names every command, and each command has help with examples', async () => {
    const { code, out } = await kaiwen(['--help']);
    expect(code).toBe(0);
    for (const name of commands) expect(out).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    for (const name of commands) {
      const help = await kaiwen([name, '--help']);
      expect(help, name).toMatchObject({ code: 0, err: '' });
      expect(help.out, name).toContain(`Usage: kaiwen ${name}`);
      expect(help.out, name).toContain('Examples:');
    }
  });

  test.each([
    [['rnu'], "unknown command 'rnu'"],
    [['run'], "missing required argument 'model'"],
    [['run', GLOSSARY, 'hi', '--wrong'], "unknown option '--wrong'"],
    [['run', GLOSSARY, 'hi', '--threads', '1.5'], '--threads'],
    [['run', GLOSSARY, 'hi', '--top-p', '2'], '--top-p'],
    [['run', GLOSSARY, 'hi', '--kv', 'f64'], '--kv'],
    [['run', GLOSSARY, 'hi', '--greedy', '--temperature', '1'], '--greedy'],
    [['run', GLOSSARY], 'The prompt is empty.'],
    [['run', GLOSSARY, 'hi', '--raw', '--system', 'x'], '--system'],
    [['logits', GLOSSARY, '--out', 'x.safetensors'], 'Token ids are needed'],
    [['logits', GLOSSARY, '--ids', '1,two', '--out', 'x.safetensors'], '"two" is no token id'],
    [['perplexity', GLOSSARY], '--file'],
  ])('%j ends with code 2 and one line', async (args, message) => {
    const { code, out, err } = await kaiwen(args);
    expect(err).toContain(message);
    expect(err).toMatch(/^kaiwen: .*\n$/);
    expect(out).toBe('');
    expect(code).toBe(2);
  });
});

describe('failures', () => {
  test('a model that is not there: one line with its name, code 1; the stack only if asked for', async () => {
    const missing = join(folder, 'missing');
    const { code, out, err } = await kaiwen(['run', missing, 'hi']);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/^kaiwen: .*\n$/);
    expect(err).toContain(missing);
    expect((await kaiwen(['run', missing, 'hi'], '', { KAIWEN_DEBUG: '1' })).err).toMatch(/\n\s+at /);
  });

  test('ids outside the vocabulary leave no file behind', async () => {
    const into = join(folder, 'outside.safetensors');
    const { code, err } = await kaiwen(['logits', GLOSSARY, '--ids', '1,4096', '--out', into]);
    expect(err).toContain('4096');
    expect(code).toBe(1);
    expect((await readdir(folder)).filter((name) => name.startsWith('outside'))).toEqual([]);
  });

  test('a document that is none is named by its line', async () => {
    const file = join(folder, 'broken.jsonl');
    await writeFile(file, '{"text":"good"}\n\n{"txt":"bad"}\n');
    const { code, err } = await kaiwen(['perplexity', GLOSSARY, '--file', file]);
    expect(err).toContain('line 3');
    expect(code).toBe(1);
  });
});

describe('the glossary model', () => {
  test('answers greedily what the reference answers', async () => {
    for (const { question, answer } of expected.greedy.slice(0, 2)) {
      const { code, out, err } = await kaiwen(['run', GLOSSARY, question, '--greedy']);
      expect({ code, out, err: complaints(err) }).toEqual({ code: 0, out: `${answer}\n`, err: '' });
    }
  });

  test('reads a piped prompt and prints one JSON object', async () => {
    const { question, answer, answer_ids } = expected.greedy[2];
    const { code, out } = await kaiwen(['run', GLOSSARY, '--greedy', '--json'], `${question}\n`);
    expect(code).toBe(0);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ model: 'glossary', text: answer, finish_reason: 'stop' });
    // The reference counts the end of the turn.
    expect(result.usage.completion_tokens).toBe(answer_ids.length - 1);
  });

  test('the same seed gives the same answer, and --max-tokens cuts it', async () => {
    const args = [
      'run',
      GLOSSARY,
      'A river is',
      '--raw',
      '--seed',
      '7',
      '--temperature',
      '1',
      '--max-tokens',
      '5',
      '--json',
    ];
    const [first, second] = [await kaiwen(args), await kaiwen(args)];
    const { text, finish_reason, usage } = JSON.parse(first.out);
    expect(JSON.parse(second.out).text).toBe(text);
    expect(finish_reason).toBe('length');
    expect(usage.completion_tokens).toBe(5);
  });

  test('a reader that leaves early is no failure', async () => {
    const child = start(['run', GLOSSARY, 'A river is', '--raw', '--max-tokens', '200', '--temperature', '1']);
    let err = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      err += text;
    });
    child.stdin!.end();
    child.stdout!.once('data', () => child.stdout!.destroy());
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    expect(complaints(err)).toBe('');
    expect(code).toBe(0);
  });

  test('predicts held-out documents as well as the reference does', async () => {
    const file = join(folder, 'held-out.jsonl');
    const { documents, tokens, perplexity } = expected.held_out;
    const lines = documents.map(([word, gloss]) => {
      const question = `<|im_start|>user\nWhat does "${word}" mean?<|im_end|>\n`;
      return JSON.stringify({ text: `${question}<|im_start|>assistant\n${gloss}<|im_end|>\n`, control: true });
    });
    await writeFile(file, lines.join('\n'));
    const { code, out } = await kaiwen(['perplexity', GLOSSARY, '--file', file, '--length', '128', '--json']);
    expect(code).toBe(0);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ tokens, pieces: documents.length });
    expect(Math.abs(result.perplexity / perplexity - 1)).toBeLessThan(0.005);
  });

  test('a plain text is cut into windows whose first token is not scored', async () => {
    const file = join(folder, 'text.txt');
    await writeFile(file, 'A river is a large natural stream of water. '.repeat(20));
    const whole = JSON.parse((await kaiwen(['perplexity', GLOSSARY, '--file', file, '--json'])).out);
    const cut = JSON.parse((await kaiwen(['perplexity', GLOSSARY, '--file', file, '--json', '--length', '16'])).out);
    expect(whole.pieces).toBe(1);
    expect(cut.pieces).toBe(Math.ceil((whole.tokens + 1) / 16));
    expect(cut.tokens).toBe(whole.tokens + 1 - cut.pieces);
    expect(cut.perplexity).toBeGreaterThan(whole.perplexity);
  });

  test('writes logits of every position, the same in one piece and in small ones', async () => {
    const ids = [4094, 277, 198, 280, 275, 278];
    const read = async (name: string, ...options: string[]): Promise<{ shape: number[]; values: Float32Array }> => {
      const into = join(folder, name);
      const { code, out, err } = await kaiwen(['logits', GLOSSARY, '--ids', ids.join(','), '--out', into, ...options]);
      expect({ code, out, err: complaints(err) }).toEqual({ code: 0, out: '', err: '' });
      const bytes = await readFile(into);
      const headerBytes = Number(bytes.readBigUInt64LE(0));
      const { logits } = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
      expect(logits.dtype).toBe('F32');
      return { shape: logits.shape, values: new Float32Array(new Uint8Array(bytes.subarray(8 + headerBytes)).buffer) };
    };
    const whole = await read('whole.safetensors');
    const pieces = await read('pieces.safetensors', '--chunk', '1', '--threads', '1');
    expect(whole.shape).toEqual([ids.length, 4096]);
    expect(whole.values.length).toBe(ids.length * 4096);
    const largest = whole.values.reduce((most, value, i) => Math.max(most, Math.abs(value - pieces.values[i])), 0);
    expect(largest).toBeLessThan(1e-3);
  });

  test('bench reports rates that fit together', async () => {
    const { code, out } = await kaiwen([
      'bench',
      GLOSSARY,
      '--prompt',
      '64',
      '--decode',
      '8',
      '--repeat',
      '2',
      '--json',
    ]);
    expect(code).toBe(0);
    const { decodeTokensPerSecond: decode, bytesPerToken, bytesPerSecond } = JSON.parse(out);
    expect(decode.min).toBeLessThanOrEqual(decode.median);
    expect(decode.median).toBeLessThanOrEqual(decode.max);
    expect(bytesPerSecond).toBeCloseTo(bytesPerToken * decode.median, -3);
  });
});

describe('machine code', () => {
  const off = { KAIWEN_NATIVE: 'off' };
  const notice = 'WebAssembly computes everything: native code is switched off.\n';

  test('switched off, commands work, name WebAssembly and say once why', async () => {
    const { question, answer } = expected.greedy[0];
    const run = await kaiwen(['run', GLOSSARY, question, '--greedy'], '', off);
    expect(run).toEqual({ code: 0, out: `${answer}\n`, err: notice });
    const stats = await kaiwen(['run', GLOSSARY, question, '--greedy', '--stats'], '', off);
    expect(stats.err).toMatch(/; WebAssembly \((plain|relaxed) SIMD\)\n$/);
    const bench = await kaiwen(['bench', GLOSSARY, '--prompt', '4', '--decode', '2', '--repeat', '1'], '', off);
    expect(bench).toMatchObject({ code: 0, err: notice });
    expect(bench.out).toMatch(/threads, WebAssembly \((plain|relaxed) SIMD\)$/m);
    const file = join(folder, 'text.txt');
    await writeFile(file, 'A river is water that flows.');
    const perplexity = await kaiwen(['perplexity', GLOSSARY, '--file', file, '--json'], '', off);
    expect(perplexity).toMatchObject({ code: 0, err: notice });
    expect(JSON.parse(perplexity.out).native).toBe(null);
    const logits = await kaiwen(['logits', GLOSSARY, '--ids', '1', '--out', join(folder, 'one.safetensors')], '', off);
    expect(logits).toEqual({ code: 0, out: '', err: notice });
  });

  test('an instruction set that nobody knows is wrong usage', async () => {
    const { code, out, err } = await kaiwen(['run', GLOSSARY, 'hi'], '', { KAIWEN_NATIVE: 'avx3' });
    expect(err).toMatch(/^kaiwen: KAIWEN_NATIVE is "avx3"\. .*avx2.*\n$/);
    expect(out).toBe('');
    expect(code).toBe(2);
  });

  test.each(availableIsas())('%s runs when asked for, and is named', async (isa) => {
    const bench = await kaiwen(['bench', GLOSSARY, '--prompt', '4', '--decode', '2', '--repeat', '1', '--json'], '', {
      KAIWEN_NATIVE: isa,
    });
    expect(bench).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(bench.out).native).toBe(isa);
    const { question, answer } = expected.greedy[0];
    const run = await kaiwen(['run', GLOSSARY, question, '--greedy', '--json'], '', { KAIWEN_NATIVE: isa });
    expect(JSON.parse(run.out)).toMatchObject({ text: answer, native: isa, notices: [] });
  });
});

describe('tokenizer', () => {
  test('trains on files and standard input, and extends what it has trained', async () => {
    const trained = join(folder, 'trained');
    const train = ['tokenizer', 'train', '-', '--vocab-size', '280', '--control', '<|x|>', '--out'];
    const first = await kaiwen([...train, trained], 'the cat and the big hat on the mat\n'.repeat(9));
    expect(first).toMatchObject({ code: 0, out: '', err: expect.stringContaining('trained: 280 ids (14 learned') });
    expect((await kaiwen([...train, trained], 'x')).err).toMatch(/exists already.*--force/);
    const wider = join(folder, 'wider');
    const extended = await kaiwen(['tokenizer', 'extend', trained, '--control', '<|y|>', '--out', wider]);
    expect(extended).toMatchObject({ code: 0, err: expect.stringContaining('wider: 281 ids') });
    const text = '" the cat<|x|><|y|>"\n';
    const [before, after] = await Promise.all(
      [trained, wider].map(async (path) => JSON.parse((await kaiwen(['tokenize', path, '--control'], text)).out)),
    );
    expect(after.at(-1)).toBe(280);
    expect(after.slice(0, after.indexOf(279) + 1)).toEqual(before.slice(0, before.indexOf(279) + 1));
  });

  test.each([
    [['train', 'x.txt', '--out', 'y'], 2],
    [['train', 'nothing.txt', '--vocab-size', '300', '--out', 'y'], 1],
    [['extend', GLOSSARY, '--add', '5', '--out', 'y'], 2],
  ])('%j is refused in one line', async (args, expectedCode) => {
    const { code, out, err } = await kaiwen(['tokenizer', ...args]);
    expect({ code, out }).toEqual({ code: expectedCode, out: '' });
    expect(err).toMatch(/^kaiwen: .*\n$/);
  });
});

describe('eval', () => {
  test('judges items, writes results and compares with them', async () => {
    const file = join(folder, 'items.jsonl');
    const { question, answer } = expected.greedy[0];
    const items = [
      { prompt: question, expected: answer, domain: 'glosses' },
      { prompt: question, expected: 'nonsense', domain: 'glosses' },
      { prompt: 'Which?', choices: ['a', 'b'], answer: 'A' },
      { text: 'A river is water that flows.' },
    ];
    await writeFile(file, items.map((item) => JSON.stringify(item)).join('\n'));
    const results = join(folder, 'results.json');
    const table = await kaiwen(['eval', GLOSSARY, file, '--out', results, '--mistakes', '1']);
    expect({ ...table, err: complaints(table.err) }).toMatchObject({ code: 0, err: '' });
    expect(table.out).toMatch(/^answers +2 +50\.0 % +9\.5 – 90\.5$/m);
    expect(table.out).toMatch(/^ {2}glosses +2 /m);
    expect(table.out).toMatch(/^texts +1 +perplexity \d/m);
    expect(table.out).toMatch(/said +\S.*\n {2}expected +nonsense$/m);
    const again = await kaiwen(['eval', GLOSSARY, file, '--compare', results, '--json', '--parallel', '1']);
    const { comparison } = JSON.parse(again.out);
    expect(comparison[0]).toMatchObject({ kind: 'answer', total: { items: 2, gained: 0, lost: 0, p: 1 } });
  });

  test('does not run programs unasked, nor compares with what is no result', async () => {
    const file = join(folder, 'code.jsonl');
    await writeFile(file, JSON.stringify({ task_id: 'JS/0', prompt: '', test: '' }));
    const refused = await kaiwen(['eval', GLOSSARY, file]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('--allow-code-execution') });
    const config = join(GLOSSARY, 'config.json');
    const wrong = await kaiwen(['eval', GLOSSARY, file, '--compare', config]);
    expect(wrong).toMatchObject({ code: 1, out: '', err: expect.stringContaining('config.json holds no results') });
  });
});
