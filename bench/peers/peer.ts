/** One engine in a process of its own, asked by messages; this file runs on both sides. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Contender, Settings, Sizes } from './contender.js';

export type Engine = 'kaiwen' | 'llama.cpp';

/** How an engine is started: Kaiwen's backends differ in their environment. */
export interface Entry {
  name: string;
  engine: Engine;
  env?: Readonly<Record<string, string>>;
}

export interface Loading {
  sizes?: Sizes;
  loadMs: number;
  /** From the start of loading to the logits of the first token. */
  firstTokenMs: number;
}

interface Methods {
  load(file: string, settings: Settings): Promise<Loading>;
  prefill(tokens: number): Promise<number>;
  decode(context: number, tokens: number): Promise<number>;
  /** Bytes resident. */
  memory(): Promise<number>;
}

type Reply = { result: unknown } | { error: string };

export class Peer implements Methods {
  private readonly child: ChildProcess;

  constructor(entry: Entry) {
    const options = { env: { ...process.env, ...entry.env } };
    this.child = fork(fileURLToPath(import.meta.url), [entry.engine], options);
  }

  load(file: string, settings: Settings): Promise<Loading> {
    return this.call('load', file, settings);
  }

  prefill(tokens: number): Promise<number> {
    return this.call('prefill', tokens);
  }

  decode(context: number, tokens: number): Promise<number> {
    return this.call('decode', context, tokens);
  }

  memory(): Promise<number> {
    return this.call('memory');
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill();
    await exited;
  }

  private async call<T>(method: keyof Methods, ...args: unknown[]): Promise<T> {
    const watch = new AbortController();
    const exit = once(this.child, 'exit', watch).then(([code, signal]) => {
      throw new Error(`${this.child.spawnargs.at(-1)} ended with ${signal ?? code}.`);
    });
    exit.catch(() => {});
    try {
      this.child.send({ method, args });
      const [reply] = (await Promise.race([once(this.child, 'message', watch), exit])) as [Reply];
      if ('error' in reply) throw new Error(reply.error);
      return reply.result as T;
    } finally {
      watch.abort();
    }
  }
}

async function serve(engine: Engine): Promise<void> {
  const contender: Contender =
    engine === 'kaiwen'
      ? new (await import('./contender-kaiwen.js')).KaiwenContender()
      : new (await import('./contender-llama.js')).LlamaContender();
  const methods: Methods = {
    prefill: (tokens) => contender.prefill(tokens),
    decode: (context, tokens) => contender.decode(context, tokens),
    memory: async () => process.memoryUsage.rss(),
    load: async (file, settings) => {
      await contender.start?.(settings.threads);
      const start = performance.now();
      const sizes = await contender.load(file, settings);
      const loadMs = performance.now() - start;
      await contender.prefill(1);
      return { sizes, loadMs, firstTokenMs: performance.now() - start };
    },
  };
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ method, args }: { method: keyof Methods; args: never[] }) => {
    try {
      const run = methods[method] as (...args: never[]) => Promise<unknown>;
      process.send!({ result: await run(...args) });
    } catch (error) {
      process.send!({ error: String(error instanceof Error ? error.stack : error) });
    }
  });
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2] as Engine);
