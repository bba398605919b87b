/** The servers that are compared, each a process of its own that is started for a measurement and ended after it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watch } from '../peers/child.js';
import { KAIWEN } from '../peers/models.js';

export interface Setting {
  model: string;
  threads: number;
  /** Requests at once, and the most tokens of each. */
  streams: number;
  context: number;
}

export interface Server extends AsyncDisposable {
  readonly port: number;
}

export const SERVERS = { Kaiwen: startKaiwen, 'llama.cpp': startLlama };
export type ServerName = keyof typeof SERVERS;

/** `kaiwen serve`, without drafts: what random weights say repeats itself, which nothing real does as much. */
async function startKaiwen({ model, threads, streams, context }: Setting): Promise<Server> {
  const data = mkdtempSync(join(tmpdir(), 'kaiwen-serve-'));
  const numbers = { port: 0, threads, context, parallel: streams, 'max-requests': 2 * streams + 16 };
  const args = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = start([KAIWEN, 'serve', model, ...args, '--no-speculation', '--quiet', '--data', data]);
  return ready(child, /http:\/\/127\.0\.0\.1:(\d+)/, () => rmSync(data, { recursive: true, force: true }));
}

async function startLlama({ model, threads, streams, context }: Setting): Promise<Server> {
  const script = fileURLToPath(new URL('../peers/serve-llama.ts', import.meta.url));
  const args = [model, threads, streams, context].map(String);
  return ready(start(['--import', 'tsx', script, ...args]), /^(\d+)$/m);
}

function start(args: readonly string[]): ChildProcess {
  const { KAIWEN_API_KEY: _, ...env } = process.env;
  return watch(spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] }));
}

async function ready(child: ChildProcess, pattern: RegExp, clean: () => void = () => {}): Promise<Server> {
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    clean();
  };
  let text = '';
  for await (const piece of child.stdout!) {
    text += piece;
    const port = pattern.exec(text)?.[1];
    if (!port) continue;
    child.stdout!.resume();
    return { port: Number(port), [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error(`A server ended before it was ready: ${text}`);
}
