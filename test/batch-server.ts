/** A server with a scripted model in a process of its own, which tests may kill at any moment. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { scriptedModel } from './scripted-engine.js';

export interface BatchServer {
  url: string;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** `fileBlocks`: largest file that it may write, in KiB; a write beyond fails as on a full disk. */
export async function startBatchServer(
  data: string,
  { fileBlocks }: { fileBlocks?: number } = {},
): Promise<BatchServer> {
  const script = [process.execPath, '--import', 'tsx', fileURLToPath(import.meta.url), data];
  // With the signal ignored, a write beyond the limit fails with EFBIG.
  const limited = ['bash', '-c', `trap '' XFSZ; ulimit -f ${fileBlocks}; exec "$@"`, 'bash', ...script];
  const [command, ...args] = fileBlocks === undefined ? script : limited;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text).trim()));
    child.once('exit', () => reject(new Error('the server ended')));
  });
  return {
    url,
    kill: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { listen } = await import('../src/server/listen.js');
  const server = await listen(scriptedModel('Hello you').model, { port: 0, data: process.argv[2] });
  process.stdout.write(`${server.url}\n`);
}
