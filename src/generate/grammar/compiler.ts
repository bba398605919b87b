/**
 * The thread that compiles grammars, as the engine holds it. Grammars come from clients: one that takes too long, or
 * more memory than it may, costs its thread and nothing else. The thread is started when the first grammar comes.
 */
import type { Worker } from 'node:worker_threads';
import { KaiwenError } from '../../errors.js';
import { startWorker } from '../../tensor/host.js';
import type { GrammarSource } from '../engine.js';
import { receiveError, type SentError } from '../messages.js';
import type { Lexicon } from './lexicon.js';
import type { GrammarImage } from './xgrammar.js';

/** Milliseconds that one grammar may take. */
const LIMIT = 4000;
/** Grammars that wait for the thread; beyond, new ones are refused. */
const QUEUE = 256;

export interface Compiled {
  image: GrammarImage;
  /** The lexicon's named tokens that stand in the source. */
  named: readonly string[];
}

export type CompileTask = { lexicon: string } | { source: GrammarSource };
export type CompileResult = { lexicon: Lexicon } | { compiled: Compiled } | { error: SentError };

interface Waiting {
  task: CompileTask;
  resolve(result: CompileResult): void;
  reject(error: KaiwenError): void;
}

export class Compiler {
  private worker?: Worker;
  private readonly queue: Waiting[] = [];
  private current?: { waiting: Waiting; timer?: NodeJS.Timeout };
  private words?: Promise<Lexicon>;

  /** `path`: the model's, for its tokenizer. */
  constructor(private readonly path: string) {}

  lexicon(): Promise<Lexicon> {
    if (this.words) return this.words;
    const words = this.ask({ lexicon: this.path }).then((result) => (result as { lexicon: Lexicon }).lexicon);
    words.catch(() => {
      this.words = undefined;
    });
    this.words = words;
    return words;
  }

  async compile(source: GrammarSource): Promise<Compiled> {
    // What the named tokens are is asked first, so that compiling knows them.
    const { named } = await this.lexicon();
    const text = JSON.stringify(source);
    const found = named.filter(({ content }) => text.includes(JSON.stringify(content).slice(1, -1)));
    const { compiled } = (await this.ask({ source })) as { compiled: Compiled };
    const names = source.kind === 'ebnf' || source.kind === 'structural' ? found.map(({ content }) => content) : [];
    return { ...compiled, named: names };
  }

  async close(): Promise<void> {
    const closed = new KaiwenError('closed', 'The model was closed.');
    for (const { reject } of this.queue.splice(0)) reject(closed);
    await this.end(closed);
  }

  private ask(task: CompileTask): Promise<CompileResult> {
    if (this.queue.length >= QUEUE) {
      return Promise.reject(new KaiwenError('out_of_memory', 'Too many grammars wait to be compiled.'));
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ task, resolve, reject });
      this.work();
    });
  }

  private work(): void {
    const waiting = this.current ? undefined : this.queue.shift();
    if (!waiting) return;
    const worker = (this.worker ??= this.start());
    // Only a client's grammar is bounded in time; a tokenizer comes from whoever chose the model.
    const timer = 'source' in waiting.task ? setTimeout(() => void this.end(tooSlow()), LIMIT) : undefined;
    this.current = { waiting, timer };
    worker.postMessage(waiting.task);
  }

  private start(): Worker {
    const worker = startWorker('generate/grammar/worker.js', undefined, {
      resourceLimits: { maxOldGenerationSizeMb: 768 },
    });
    worker.on('message', (result: CompileResult) => {
      if (worker !== this.worker || !this.current) return;
      const { waiting, timer } = this.current;
      clearTimeout(timer);
      this.current = undefined;
      if ('error' in result) waiting.reject(receiveError(result.error));
      else waiting.resolve(result);
      this.work();
    });
    worker.on('error', (cause) => {
      if (worker === this.worker) void this.end(tooLarge(cause));
    });
    return worker;
  }

  /** Ends the thread and what it was doing; the next grammar gets a new one. */
  private async end(error: KaiwenError): Promise<void> {
    const { worker, current } = this;
    this.worker = undefined;
    this.current = undefined;
    clearTimeout(current?.timer);
    current?.waiting.reject(error);
    this.work();
    await worker?.terminate();
  }
}

function tooSlow(): KaiwenError {
  return new KaiwenError('unsupported', `The grammar takes more than ${LIMIT / 1000} seconds to compile.`, {
    remedy: 'Make it simpler: fewer alternatives, smaller repetitions.',
  });
}

function tooLarge(cause: Error): KaiwenError {
  return new KaiwenError('unsupported', 'The grammar takes too much memory to compile.', {
    remedy: 'Make it smaller.',
    cause,
  });
}
