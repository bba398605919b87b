/**
 * Kills a training run with SIGKILL at random moments, takes it up again each time, and compares every loss with those
 * of a run that nobody disturbed. Exit code 1 if one differs by a bit.
 *
 *   npx tsx bench/kill-resume.ts CONFIG.yaml [--kills 5] [--keep FOLDER] [flags of kaiwen train …]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

interface Step {
  kind: string;
  step: number;
  loss: number;
  gradientNorm: number;
}

/** Runs to the end, or until so many steps were seen; returns whether it came to the end. */
function run(args: readonly string[], killAfter = Number.POSITIVE_INFINITY): Promise<boolean> {
  const child = spawn(process.execPath, [MAIN, 'train', ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text.split('"kind":"step"').length - 1;
    if (seen < killAfter || child.killed) return;
    // Anywhere within a step, a validation or the writing of a checkpoint.
    setTimeout(() => child.kill('SIGKILL'), Math.random() * 400);
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (code !== 0 && signal !== 'SIGKILL') reject(new Error(`kaiwen train ended with code ${code}`));
      else resolve(code === 0);
    });
  });
}

function stepsOf(folder: string): Step[] {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Step).filter(({ kind }) => kind === 'step');
}

function option(args: string[], name: string, fallback: string): string {
  const at = args.indexOf(name);
  return at < 0 ? fallback : args.splice(at, 2)[1];
}

const args = process.argv.slice(2);
const kills = Number(option(args, '--kills', '5'));
const kept = option(args, '--keep', '');
const folder = kept || mkdtempSync(join(tmpdir(), 'kaiwen-kills-'));
const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];

await run([...args, '--out', whole]);
const expected = stepsOf(whole);
const each = Math.floor(expected.length / (kills + 1));
let done = 0;
for (; done < kills; done++) {
  const ended = await run([...args, '--out', killed], 1 + Math.floor(Math.random() * 2 * each));
  if (ended) break;
  console.log(`killed after step ${stepsOf(killed).at(-1)?.step ?? 0} of ${expected.length}`);
}
await run([...args, '--out', killed]);
const found = stepsOf(killed);
const wrong = expected.filter(
  ({ loss, gradientNorm }, i) => loss !== found[i]?.loss || gradientNorm !== found[i].gradientNorm,
);
console.log(`${done} kills; ${expected.length} steps, ${wrong.length} of them with another loss or gradient`);
if (!kept) rmSync(folder, { recursive: true, force: true });
process.exit(wrong.length > 0 || found.length !== expected.length ? 1 : 0);
