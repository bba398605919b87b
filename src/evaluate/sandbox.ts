/**
 * Runs a model's program in a child process with limits: time, processor time, memory (Python), the size of files; an
 * empty environment, a temporary folder, and no network where the system lets an ordinary user switch it off.
 *
 * What it is not: a boundary against a program that means harm. The child runs as the same user, and Python may read
 * and write what that user may. (Node runs under its permission model: only the folder, no child processes.) Run models that you do not trust
 * in a container or a virtual machine.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Program = 'python' | 'javascript';

export interface SandboxLimits {
  seconds?: number;
  memoryMiB?: number;
}

export interface SandboxResult {
  status: 'ended' | 'timeout' | 'no-interpreter';
  /** 0 where the program ended well. */
  code: number | null;
  stdout: string;
  /** The end of it. */
  stderr: string;
}

const MAX_OUTPUT = 1 << 16;
const FILE_BLOCKS = 16 << 11;

/** Never throws for what the program does. */
export async function runSandboxed(
  program: Program,
  source: string,
  { seconds = 10, memoryMiB = 512 }: SandboxLimits = {},
): Promise<SandboxResult> {
  const folder = await mkdtemp(join(tmpdir(), 'kaiwen-code-'));
  try {
    const file = join(folder, program === 'python' ? 'main.py' : 'main.cjs');
    await writeFile(file, source);
    const limits = [`ulimit -t ${Math.ceil(seconds) + 1}`, `ulimit -f ${FILE_BLOCKS}`, 'ulimit -c 0'];
    // Node reserves far more addresses than it uses; its heap has a limit of its own.
    if (program === 'python') limits.push(`ulimit -v ${memoryMiB * 1024}`);
    const command = program === 'python' ? ['python3', '-I', '-B', file] : nodeCommand(file, folder, memoryMiB);
    const shell = ['/bin/sh', '-c', `${limits.join('; ')}; exec "$@"`, 'sh', ...command];
    return await run([...withoutNetwork(), ...shell], folder, seconds);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether programs run without a network here. */
export function isNetworkOff(): boolean {
  return withoutNetwork().length > 0;
}

let unshare: readonly string[] | undefined;

function withoutNetwork(): readonly string[] {
  if (unshare === undefined) {
    const command = ['unshare', '--user', '--map-root-user', '--net'];
    const works = spawnSync(command[0]!, [...command.slice(1), 'true'], { stdio: 'ignore' }).status === 0;
    unshare = works ? command : [];
  }
  return unshare;
}

function nodeCommand(file: string, folder: string, memoryMiB: number): string[] {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
  const permissions = [flag, `--allow-fs-read=${folder}`, `--allow-fs-write=${folder}`];
  return [process.execPath, '--no-warnings', `--max-old-space-size=${memoryMiB}`, ...permissions, file];
}

function run([command, ...args]: readonly string[], cwd: string, seconds: number): Promise<SandboxResult> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: cwd, TMPDIR: cwd, LANG: 'C.UTF-8' };
    // A group of its own, so that what it starts ends with it.
    const child = spawn(command!, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let timedOut = false;
    let stdout = '';
    let stderr = '';
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, seconds * 1000);
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
      if (stdout.length > MAX_OUTPUT) end();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-4096);
    });
    const finish = (code: number | null): void => {
      clearTimeout(timer);
      end();
      const status = timedOut ? 'timeout' : code === 127 ? 'no-interpreter' : 'ended';
      resolve({ status, code, stdout, stderr });
    };
    child.on('error', () => finish(127));
    child.on('close', finish);
  });
}
