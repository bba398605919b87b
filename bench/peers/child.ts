/**
 * Processes that the benchmark starts, and calls between them: `Child` in the parent, `serve` in the child. Whatever
 * is still running when the parent ends, by Ctrl-C too, is ended with it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';

type Reply = { result: unknown } | { error: string };
type Method = (...args: never[]) => unknown;

const SETTLE_MS = 100;
const running = new Set<ChildProcess>();

/** Ends `child` when this process ends. */
export function watch<C extends ChildProcess>(child: C): C {
  if (process.listenerCount('SIGINT') === 0) {
    process.on('exit', () => {
      for (const one of running) one.kill('SIGKILL');
    });
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.on(signal, () => process.exit(code));
    }
  }
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export class Child {
  private readonly process: ChildProcess;

  /** Runs the module at `path`, which calls `serve`. */
  constructor(
    private readonly name: string,
    path: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.process = watch(fork(path, args, { env: { ...process.env, ...env } }));
  }

  /** One call at a time. Throws what the method throws, and if the process ends. */
  async call<T>(method: string, ...args: unknown[]): Promise<T> {
    const { process: child, name } = this;
    const waiting = new AbortController();
    const exit = once(child, 'exit', waiting).then(([code, signal]) => {
      throw new Error(`${name} ended with ${signal ?? code}.`);
    });
    exit.catch(() => {});
    try {
      if (!child.connected) throw new Error(`${name} has ended.`);
      child.send({ method, args });
      const [reply] = (await Promise.race([once(child, 'message', waiting), exit])) as [Reply];
      if ('error' in reply) throw new Error(`${name}: ${reply.error}`);
      return reply.result as T;
    } finally {
      waiting.abort();
    }
  }

  /** Time for threads of other processes to stop spinning, which some do for a while after their work. */
  static settle(): Promise<void> {
    return setTimeout(SETTLE_MS);
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const { process: child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill();
    await exited;
  }
}

/** Answers the parent's calls until it goes. */
export function serve(methods: { [name: string]: Method }): void {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ method, args }: { method: string; args: never[] }) => {
    try {
      process.send!({ result: await methods[method](...args) } satisfies Reply);
    } catch (error) {
      process.send!({ error: String(error instanceof Error ? error.stack : error) } satisfies Reply);
    }
  });
}
