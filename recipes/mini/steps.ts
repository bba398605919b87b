/**
 * Steps of a recipe, one after the other. A finished step leaves a stamp with the hash of what it was made from; it is
 * done again only if that changed or its outputs are gone.
 */
import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import {
  appendFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export interface Step {
  name: string;
  /** Files and folders it reads; a change in one of them makes it run again. */
  inputs: readonly string[];
  outputs: readonly string[];
  /** What else its result depends on. */
  settings?: readonly unknown[];
  run(recipe: Recipe): Promise<void>;
}

export interface Recipe {
  work: string;
  /** What an earlier attempt at this step left was made from other inputs. */
  stale: boolean;
  /** Adds a line with the time to the log. */
  log(line: string): void;
}

/** Runs what is not done yet, up to and with the step named `until`. Throws what a step throws. */
export async function runSteps(
  steps: readonly Step[],
  { work, until }: { work: string; until?: string },
): Promise<void> {
  if (until !== undefined && !steps.some(({ name }) => name === until)) {
    throw new Error(`There is no step "${until}"; steps are ${steps.map(({ name }) => name).join(', ')}.`);
  }
  mkdirSync(join(work, 'stamps'), { recursive: true });
  mkdirSync(join(work, 'logs'), { recursive: true });
  const log = (line: string): void => {
    const text = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}  ${line}`;
    console.log(text);
    appendFileSync(join(work, 'log.txt'), `${text}\n`);
  };
  for (const step of steps) {
    const stamp = join(work, 'stamps', step.name);
    const key = hashOf(step);
    const done =
      existsSync(stamp) && readFileSync(stamp, 'utf8') === key && step.outputs.every((path) => existsSync(path));
    if (done) log(`${step.name}: done before`);
    else {
      log(`${step.name}: begins`);
      const start = performance.now();
      const begun = `${stamp}.begun`;
      const stale = existsSync(begun) && readFileSync(begun, 'utf8') !== key;
      if (!stale) writeFileSync(begun, key);
      await step.run({ work, log, stale });
      writeFileSync(begun, key);
      writeFileSync(stamp, key);
      log(`${step.name}: took ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
    if (step.name === until) return;
  }
}

/** Runs a command of Kaiwen; what it prints goes to the terminal and to logs/NAME.txt. Throws if it fails. */
export async function kaiwen({ work, log }: Recipe, name: string, ...args: string[]): Promise<void> {
  log(`$ kaiwen ${args.join(' ')}`);
  const file = createWriteStream(join(work, 'logs', `${name}.txt`), { flags: 'a' });
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    from.on('data', (bytes: Buffer) => {
      to.write(bytes);
      file.write(bytes);
    });
  }
  const stop = () => child.kill('SIGTERM');
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  process.off('SIGINT', stop).off('SIGTERM', stop);
  file.end();
  if (code !== 0) throw new Error(`kaiwen ${args[0]} ended with ${code}; the same command goes on from here.`);
}

/** Of the contents of its inputs; of folders, of every file by name. */
function hashOf({ inputs, settings = [] }: Step): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const path of inputs) addPath(hash, path);
  return hash.digest('hex');
}

function addPath(hash: Hash, path: string): void {
  if (!existsSync(path)) hash.update('absent');
  else if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path).sort()) {
      hash.update(name);
      addPath(hash, join(path, name));
    }
  } else hash.update(readFileSync(path));
}
