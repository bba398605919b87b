/** Training as a user meets it: child processes of the built program, killed, refused and taken up again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAIN = join(ROOT, 'dist/cli/main.js');
const GLOSSARY = join(ROOT, 'models/glossary');

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-train-'));
  writeFileSync(join(folder, 'corpus.jsonl'), corpus());
  writeFileSync(join(folder, 'run.yaml'), CONFIG.replaceAll('FOLDER', folder));
  // Everything else is compared with this run.
  const { code, err } = await train([join(folder, 'run.yaml')]);
  expect(`${code} ${err}`).toBe('0 ');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CONFIG = `method: pretrain
depth: 1
architecture: { hidden_size: 64, num_hidden_layers: 2 }
tokenizer: ${GLOSSARY}
data: FOLDER/corpus.jsonl
out: FOLDER/whole
context: 48
batch_tokens: 256
accumulate: 2
steps: 60
learning_rate: 0.003
checkpoint: { steps: 8 }
validation: { share: 0.1, every: 20 }
samples: { prompts: ["The sea"], tokens: 4 }
threads: 1
`;

/** Sentences from a small grammar: enough to be learned in some steps. */
function corpus(): string {
  const [who, what, where] = [
    ['The sea', 'A cat', 'Our friend', 'The old house', 'Peace'],
    ['sleeps', 'stands', 'grows', 'waits'],
    ['in the north', 'by the river', 'at night', 'under a tree', 'with us'],
  ];
  const lines = Array.from({ length: 400 }, (_, i) => {
    const sentences = Array.from({ length: 1 + (i % 5) }, (_, k) => {
      const n = i * 7 + k * 13;
      return `${who[n % 5]} ${what[n % 4]} ${where[(n * 3 + i) % 5]} number ${i}.`;
    });
    return JSON.stringify({ text: sentences.join(' ') });
  });
  return `${lines.join('\n')}\n`;
}

function start(args: readonly string[], limit = ''): ChildProcess {
  const env = { ...process.env, NO_COLOR: '1' };
  const command = [process.execPath, MAIN, 'train', ...args];
  if (limit === '') return spawn(command[0], command.slice(1), { cwd: folder, env });
  return spawn('bash', ['-c', `${limit}; exec "$@"`, 'bash', ...command], { cwd: folder, env });
}

async function train(
  args: readonly string[],
  limit?: string,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(args, limit);
  const texts = ['', ''];
  for (const [i, stream] of [child.stdout!, child.stderr!].entries()) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      texts[i] += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out: texts[0], err: texts[1] };
}

/** The records of a run without the times in them. */
function metrics(run: string): Record<string, unknown>[] {
  const lines = readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => ({ ...(JSON.parse(line) as Record<string, unknown>), seconds: 0 }));
}

/** Starts a run in `out` and sends a signal once so many lines of metrics are there; resolves when it has ended. */
async function interruptAt(out: string, lines: number, signal: NodeJS.Signals): Promise<number | null> {
  const child = start(['run.yaml', '--out', join(folder, out), '--json']);
  let seen = 0;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    seen += text.split('"kind":"step"').length - 1;
    if (seen >= lines && !child.killed) child.kill(signal);
  });
  return new Promise((resolve) => child.on('close', resolve));
}

describe('kaiwen train', () => {
  it('learns, validates, writes samples, a report and checkpoints', () => {
    const records = metrics('whole');
    const losses = records.filter(({ kind }) => kind === 'step').map(({ loss }) => loss as number);
    expect(losses).toHaveLength(60);
    expect(losses[0]).toBeGreaterThan(7);
    expect(losses[59]).toBeLessThan(3);
    expect(records.filter(({ kind }) => kind === 'validation')).toHaveLength(3);
    expect(records.filter(({ kind }) => kind === 'sample')).toHaveLength(3);
    expect(readdirSync(join(folder, 'whole/checkpoints'))).toEqual(['step-00000056', 'step-00000060']);
    expect(readFileSync(join(folder, 'whole/report.html'), 'utf8')).toContain('<svg');
  });

  it('computes the same losses when it is killed on the way', async () => {
    expect(await interruptAt('killed', 5 + Math.floor(Math.random() * 20), 'SIGKILL')).toBe(null);
    expect(await interruptAt('killed', 1 + Math.floor(Math.random() * 30), 'SIGKILL')).toBe(null);
    expect((await train(['killed', '--threads', '2'])).code).toBe(0);
    expect(metrics('killed')).toEqual(metrics('whole'));
  });

  it('saves what is done on Ctrl-C and goes on from there', async () => {
    expect(await interruptAt('stopped', 10, 'SIGINT')).toBe(130);
    const steps = metrics('stopped').filter(({ kind }) => kind === 'step').length;
    const newest = readdirSync(join(folder, 'stopped/checkpoints')).at(-1)!;
    expect(Number(newest.slice(5))).toBe(steps);
    const { code, out } = await train(['stopped']);
    expect(code).toBe(0);
    expect(out).toContain(`going on from step ${steps}`);
    expect(metrics('stopped')).toEqual(metrics('whole'));
  });

  it('predicts without leaving anything', async () => {
    const { code, out } = await train(['run.yaml', '--out', join(folder, 'dry'), '--dry-run']);
    expect(code).toBe(0);
    expect(out).toMatch(/60 steps of up to 256 tokens\npredicted: \d+ MB of memory, /);
    expect(existsSync(join(folder, 'dry/checkpoints'))).toBe(false);
  });

  it('does not touch a run with other settings unless told to start over', async () => {
    cpSync(join(folder, 'whole'), join(folder, 'other'), { recursive: true });
    const args = ['run.yaml', '--out', 'other', '--learning-rate', '0.001', '--steps', '8'];
    const refused = await train(args);
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/learning_rate was 0\.003 and is 0\.001/) });
    expect(metrics('other')).toHaveLength(66);
    expect((await train([...args, '--fresh'])).code).toBe(0);
    expect(metrics('other').filter(({ kind }) => kind === 'step')).toHaveLength(8);
  });

  it('refuses what cannot fit, with advice', async () => {
    const { code, err } = await train(['run.yaml', '--out', 'huge', '--depth', '64', '--set', 'architecture={}']);
    expect(code).toBe(1);
    expect(err).toMatch(/needs \d+ MB.*(accumul|LoRA|lora)/i);
    expect(existsSync(join(folder, 'huge/checkpoints'))).toBe(false);
  });

  it('names a misspelt key with its line', async () => {
    writeFileSync(join(folder, 'wrong.yaml'), CONFIG.replace('learning_rate', 'learning_rat'));
    const { code, err } = await train(['wrong.yaml']);
    expect(code).toBe(2);
    expect(err).toMatch(/^kaiwen: wrong\.yaml:11: learning_rat: no such key; did you mean learning_rate\?/);
  });

  it('stops where numbers run away, naming the batch, and keeps the checkpoint before', async () => {
    const args = ['run.yaml', '--out', 'away', '--learning-rate', '1e30', '--set', 'clip=0', '--set', 'warmup=0'];
    const { code, err } = await train([...args, '--set', 'checkpoint.steps=1']);
    expect(code).toBe(1);
    expect(err).toMatch(
      /Step \d+: the (loss|gradient) is (NaN|Infinity) in the batch of document \d+ of .*corpus\.jsonl/,
    );
    expect(readdirSync(join(folder, 'away/checkpoints')).length).toBeGreaterThan(0);
  });

  it('names a damaged shard, and the bad line of a raw file', async () => {
    cpSync(join(folder, 'whole/data'), join(folder, 'shards'), { recursive: true });
    const shard = join(folder, 'shards/train/shard-00000.bin');
    const bytes = readFileSync(shard);
    bytes[bytes.length - 5] ^= 1;
    writeFileSync(shard, bytes);
    const damaged = await train(['run.yaml', '--out', 'damaged', '--data', 'shards']);
    expect(damaged).toMatchObject({ code: 1, err: expect.stringContaining('shard-00000.bin') });

    writeFileSync(join(folder, 'bad.jsonl'), corpus().replace(/^(.*\n.*\n)/, '$1{"text": "cut of\n'));
    const args = ['run.yaml', '--out', 'bad', '--data', 'bad.jsonl', '--steps', '1'];
    const strict = await train([...args, '--set', 'preparation.strict=true']);
    expect(strict).toMatchObject({ code: 1, err: expect.stringContaining('bad.jsonl:3') });
    const lenient = await train(args);
    expect(lenient).toMatchObject({ code: 0, out: expect.stringMatching(/1 of 401 records are bad.*bad\.jsonl:3/) });
  });

  it.skipIf(process.platform === 'win32')(
    'says so where the disk takes no more, and the last checkpoint stays whole',
    async () => {
      cpSync(join(folder, 'whole'), join(folder, 'full'), { recursive: true });
      rmSync(join(folder, 'full/checkpoints/step-00000060'), { recursive: true });
      // Files may have 512 KiB: a checkpoint has more.
      const { code, err } = await train(['full'], 'trap "" XFSZ; ulimit -f 512');
      expect(code).toBe(1);
      expect(err).toMatch(/step-00000060: cannot be written.* The checkpoint of step 56 is whole/);
      expect(readdirSync(join(folder, 'full/checkpoints'))).toEqual(['step-00000056']);
      expect((await train(['full'])).code).toBe(0);
      expect(metrics('full')).toEqual(metrics('whole'));
    },
  );
});
