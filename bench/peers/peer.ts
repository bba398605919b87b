/** One engine in a process of its own, so that its memory can be told apart; this file runs on both sides. */
import { fileURLToPath } from 'node:url';
import { Child, serve } from './child.js';
import type { Contender, Settings, Sizes } from './contender.js';

export type EngineName = 'kaiwen' | 'llama.cpp';

/** How an engine is started: Kaiwen's backends differ in their environment. */
export interface Entry {
  name: string;
  engine: EngineName;
  env?: Readonly<Record<string, string>>;
}

/** Kaiwen's backends: the fastest that this machine has, and WebAssembly alone. */
export const OURS: readonly Entry[] = [
  { name: 'native', engine: 'kaiwen' },
  { name: 'wasm', engine: 'kaiwen', env: { KAIWEN_NATIVE: 'off' } },
];
export const THEIRS: Entry = { name: 'llama.cpp', engine: 'llama.cpp' };

export interface Loading {
  sizes?: Sizes;
  loadMs: number;
}

export class Peer {
  private readonly child: Child;

  constructor(entry: Entry) {
    this.child = new Child(entry.name, fileURLToPath(import.meta.url), [entry.engine], entry.env);
  }

  load(file: string, settings: Settings): Promise<Loading> {
    return this.child.call('load', file, settings);
  }

  /** See Contender. */
  prefill(tokens: number): Promise<number> {
    return this.child.call('prefill', tokens);
  }

  /** See Contender. */
  decode(context: number, tokens: number, sequences = 1): Promise<number> {
    return this.child.call('decode', context, tokens, sequences);
  }

  /** Bytes resident. */
  memory(): Promise<number> {
    return this.child.call('memory');
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}

async function open(engine: EngineName): Promise<Contender> {
  return engine === 'kaiwen'
    ? new (await import('./contender-kaiwen.js')).KaiwenContender()
    : new (await import('./contender-llama.js')).LlamaContender();
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const contender = await open(process.argv[2] as EngineName);
  serve({
    prefill: (tokens: number) => contender.prefill(tokens),
    decode: (context: number, tokens: number, sequences: number) => contender.decode(context, tokens, sequences),
    memory: () => process.memoryUsage.rss(),
    load: async (file: string, settings: Settings): Promise<Loading> => {
      await contender.start?.(settings.threads);
      const start = performance.now();
      const sizes = await contender.load(file, settings);
      return { sizes, loadMs: performance.now() - start };
    },
  });
}
