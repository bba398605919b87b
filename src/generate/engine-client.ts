/** The engine as its callers hold it: a handle on a worker thread that does everything. */
import type { Worker } from 'node:worker_threads';
import { KaiwenError } from '../errors.js';
import { startWorker } from '../tensor/host.js';
import type {
  DoneEvent,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineStatus,
  GenerateRequest,
  LoadProgress,
  TokenEvent,
} from './engine.js';
import { type FromWorker, type Result, receiveError, type Task, type ToWorker, type WorkerData } from './messages.js';
import { newStatus } from './status.js';

/**
 * Loads the model at `path` into a new worker. Throws KaiwenError as openCheckpoint and buildModel do, 'out_of_memory'
 * if it cannot fit, 'aborted' if `options.signal` fires while loading.
 */
export async function startEngine(path: string, options: EngineOptions = {}): Promise<EngineClient> {
  const { onProgress, signal, ...rest } = options;
  if (signal?.aborted) throw aborted();
  const cancelLoad = new Int32Array(new SharedArrayBuffer(4));
  const data: WorkerData = { path, options: rest, cancelLoad };
  const worker = startWorker('generate/worker.js', data);
  const cancel = () => Atomics.store(cancelLoad, 0, 1);
  signal?.addEventListener('abort', cancel);
  try {
    const client = new EngineClient(worker);
    await client.loaded(onProgress);
    return client;
  } catch (error) {
    await worker.terminate();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

interface Pending {
  event(event: TokenEvent | DoneEvent): void;
  result(result: Result): void;
  fail(error: KaiwenError): void;
}

export class EngineClient implements Engine {
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private ended?: KaiwenError;
  private model?: EngineInfo;
  private latest = newStatus();
  /** Resolves when nothing can be asked any more, with the reason. */
  readonly gone: Promise<KaiwenError>;
  private goes!: (error: KaiwenError) => void;
  private loading?: {
    progress?: (progress: LoadProgress) => void;
    ready: () => void;
    fail: (error: KaiwenError) => void;
  };

  constructor(private readonly worker: Worker) {
    worker.on('message', (message: FromWorker) => this.receive(message));
    this.gone = new Promise((resolve) => {
      this.goes = resolve;
    });
    worker.on('error', (cause) => this.end(failed(cause)));
    // After close() this is no news.
    worker.on('exit', (code) => this.end(failed(new Error(`its thread ended with code ${code}`))));
  }

  get info(): EngineInfo {
    return this.model!;
  }

  status(): EngineStatus {
    return this.latest;
  }

  /** Resolves when the model is ready. */
  loaded(progress?: (progress: LoadProgress) => void): Promise<void> {
    return new Promise((ready, fail) => {
      this.loading = { progress, ready, fail };
    });
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<TokenEvent | DoneEvent> {
    const queue: (TokenEvent | DoneEvent)[] = [];
    let failure: KaiwenError | undefined;
    let wake: () => void = () => {};
    const id = this.ask(
      { kind: 'generate', request },
      {
        event: (event) => {
          queue.push(event);
          wake();
        },
        result: () => {},
        fail: (error) => {
          failure = error;
          wake();
        },
      },
    );
    const cancel = () => this.send({ id, cancel: true });
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel);
    try {
      for (;;) {
        const event = queue.shift();
        if (event) {
          yield event;
          if (event.type === 'done') return;
        } else if (failure) {
          throw failure;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
      // Still pending: the caller has left the loop early.
      if (this.pending.delete(id)) cancel();
    }
  }

  async logits(
    tokens: readonly number[],
    { signal, ...rest }: { chunk?: number; signal?: AbortSignal; adapter?: string } = {},
  ): Promise<Float32Array> {
    return this.call({ kind: 'logits', tokens, ...rest }, signal) as Promise<Float32Array>;
  }

  async score(tokens: readonly number[], signal?: AbortSignal, adapter?: string, from?: number): Promise<Float32Array> {
    return this.call({ kind: 'score', tokens, adapter, from }, signal) as Promise<Float32Array>;
  }

  async embed(tokens: readonly number[], signal?: AbortSignal, adapter?: string): Promise<Float32Array> {
    return this.call({ kind: 'embed', tokens, adapter }, signal) as Promise<Float32Array>;
  }

  async bench(
    prompt: number,
    decode: number,
    repeat: number,
    sequences = 1,
    reuse = false,
  ): Promise<{ prefillMs: number[]; decodeMs: number[] }> {
    const task: Task = { kind: 'bench', prompt, decode, repeat, sequences, reuse };
    return this.call(task) as Promise<{ prefillMs: number[]; decodeMs: number[] }>;
  }

  async close(): Promise<void> {
    if (this.ended) return;
    this.end(closed());
    const exited = new Promise((resolve) => this.worker.once('exit', resolve));
    this.worker.postMessage({ close: true } satisfies ToWorker);
    await exited;
  }

  /** Ends the thread, whatever it does. */
  async kill(): Promise<void> {
    this.end(closed());
    await this.worker.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private call(task: Task, signal?: AbortSignal): Promise<Result> {
    if (signal?.aborted) return Promise.reject(aborted());
    return new Promise((resolve, reject) => {
      const id = this.ask(task, {
        event: () => {},
        result: (result) => {
          signal?.removeEventListener('abort', cancel);
          resolve(result);
        },
        fail: (error) => {
          signal?.removeEventListener('abort', cancel);
          reject(error);
        },
      });
      const cancel = () => this.send({ id, cancel: true });
      signal?.addEventListener('abort', cancel);
    });
  }

  private ask(task: Task, pending: Pending): number {
    if (this.ended) throw this.ended;
    const id = this.nextId++;
    this.pending.set(id, pending);
    this.send({ id, task });
    return id;
  }

  private send(message: ToWorker): void {
    if (!this.ended) this.worker.postMessage(message);
  }

  private receive(message: FromWorker): void {
    if ('loading' in message) {
      this.loading?.progress?.(message.loading);
      return;
    }
    if ('ready' in message) {
      this.model = message.ready;
      for (const lifeline of message.lifelines) {
        // Steps would wait for ever for what that thread has taken to compute.
        lifeline.on('close', () => this.lose(new Error('a thread of its team ended')));
        lifeline.unref();
      }
      this.loading?.ready();
      return;
    }
    if ('failed' in message) {
      this.end(receiveError(message.failed));
      return;
    }
    if ('status' in message) {
      this.latest = message.status;
      return;
    }
    if ('events' in message) {
      for (const { id, event } of message.events) this.deliver(id, event);
      return;
    }
    const pending = this.pending.get(message.id);
    if (!pending) return;
    this.pending.delete(message.id);
    if ('result' in message) pending.result(message.result);
    else pending.fail(receiveError(message.error));
  }

  private lose(cause: Error): void {
    if (this.ended) return;
    this.end(failed(cause));
    void this.worker.terminate();
  }

  private deliver(id: number, event: TokenEvent | DoneEvent): void {
    const pending = this.pending.get(id);
    if (event.type === 'done') this.pending.delete(id);
    pending?.event(event);
  }

  /** Nothing more will come: whoever waits is told why. */
  private end(error: KaiwenError): void {
    this.ended ??= error;
    this.goes(this.ended);
    const waiting = [...this.pending.values()];
    this.pending.clear();
    this.loading?.fail(error);
    for (const { fail } of waiting) fail(error);
  }
}

function failed(cause: Error): KaiwenError {
  return new KaiwenError('engine_failed', 'The engine failed.', { cause, remedy: 'Ask again.' });
}

function closed(): KaiwenError {
  return new KaiwenError('closed', 'The model was closed.');
}

function aborted(): KaiwenError {
  return new KaiwenError('aborted', 'Cancelled.');
}
