/**
 * An engine that comes back. When its thread dies, one of its team's threads does, or a step fails, requests under way
 * fail at once, what is left of the engine is ended, and the model is loaded anew: memory that a failure has touched is
 * never computed with again. Requests that come meanwhile wait for the new engine, within bounds.
 *
 * An engine that keeps failing, or cannot be loaded, is tried again after growing pauses; requests in a pause are refused
 * at once. What is read from the model's file is in memory, so only a new engine needs the file.
 */
import { KaiwenError } from '../errors.js';
import type {
  DoneEvent,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineStatus,
  GenerateRequest,
  TokenEvent,
} from './engine.js';
import { type EngineClient, startEngine } from './engine-client.js';

export interface SupervisionOptions extends EngineOptions {
  /** Told of every failure of the engine, and of every failed attempt to load it again. */
  onFailure?: (error: KaiwenError) => void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** An engine that has lived so long has not failed for the reason it was started for. */
const STABLE_MS = 60_000;
/** How long a request waits for an engine that is being loaded, and how many may. */
const LONGEST_WAIT_MS = 30_000;
const MOST_WAITING = 1024;

/** Loads the model at `path` as startEngine does, with its errors, and keeps it loaded until it is closed. */
export async function superviseEngine(path: string, options: SupervisionOptions = {}): Promise<Engine> {
  const { onFailure, signal, onProgress, ...rest } = options;
  const first = await startEngine(path, { ...rest, signal, onProgress });
  return new SupervisedEngine(first, (signal) => startEngine(path, { ...rest, signal }), onFailure);
}

class SupervisedEngine implements Engine {
  info: EngineInfo;
  private engine?: EngineClient;
  /** Settles when the next attempt to load has ended, well or not. */
  private loading?: Promise<void>;
  private timer?: NodeJS.Timeout;
  private pause = 0;
  private since = performance.now();
  private restarts = 0;
  private waiting = 0;
  private latest: EngineStatus;
  private failure?: KaiwenError;
  private readonly closing = new AbortController();

  constructor(
    first: EngineClient,
    private readonly load: (signal: AbortSignal) => Promise<EngineClient>,
    private readonly onFailure: (error: KaiwenError) => void = () => {},
  ) {
    this.info = first.info;
    this.latest = first.status();
    this.use(first);
  }

  status(): EngineStatus {
    const { engine, restarts, waiting } = this;
    this.latest = engine?.status() ?? { ...this.latest, running: 0, waiting: 0 };
    return { ...this.latest, waiting: this.latest.waiting + waiting, restarts };
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<TokenEvent | DoneEvent> {
    const came = performance.now();
    const engine = this.engine ?? (await this.awaitEngine(signal));
    const { timeoutMs } = request;
    const left = timeoutMs === undefined ? {} : { timeoutMs: Math.max(0, timeoutMs - (performance.now() - came)) };
    yield* engine.generate({ ...request, ...left }, signal);
  }

  async logits(
    tokens: readonly number[],
    options: { chunk?: number; signal?: AbortSignal; adapter?: string } = {},
  ): Promise<Float32Array> {
    return (await this.awaitEngine(options.signal)).logits(tokens, options);
  }

  async score(tokens: readonly number[], signal?: AbortSignal, adapter?: string, from?: number): Promise<Float32Array> {
    return (await this.awaitEngine(signal)).score(tokens, signal, adapter, from);
  }

  async embed(tokens: readonly number[], signal?: AbortSignal, adapter?: string): Promise<Float32Array> {
    return (await this.awaitEngine(signal)).embed(tokens, signal, adapter);
  }

  async bench(...args: Parameters<Engine['bench']>): ReturnType<Engine['bench']> {
    return (await this.awaitEngine()).bench(...args);
  }

  async close(): Promise<void> {
    this.closing.abort();
    clearTimeout(this.timer);
    await this.loading;
    await this.engine?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private use(engine: EngineClient): void {
    this.engine = engine;
    this.info = engine.info;
    this.since = performance.now();
    this.failure = undefined;
    void engine.gone.then((error) => this.lost(engine, error));
  }

  private lost(engine: EngineClient, error: KaiwenError): void {
    if (this.closing.signal.aborted) return;
    this.latest = engine.status();
    this.engine = undefined;
    this.failure = error;
    this.onFailure(error);
    if (performance.now() - this.since > STABLE_MS) this.pause = 0;
    this.retry(engine);
  }

  /** Loads again after the pause that is due; `old` is ended before. */
  private retry(old?: EngineClient): void {
    const attempt = () => {
      this.loading = this.attempt(old).finally(() => {
        this.loading = undefined;
      });
    };
    if (this.pause === 0) attempt();
    else this.timer = setTimeout(attempt, this.pause);
    // A server that is about to end does not wait for this.
    this.timer?.unref();
    this.pause = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.pause));
  }

  private async attempt(old?: EngineClient): Promise<void> {
    const { signal } = this.closing;
    try {
      // Only then is its memory free.
      await old?.kill();
      const engine = await this.load(signal);
      if (engine.info.vocabSize !== this.info.vocabSize) {
        await engine.close();
        throw new KaiwenError('bad_file', 'Another model has taken the place of the one that was loaded.', {
          remedy: 'Start anew to serve it.',
        });
      }
      this.restarts++;
      this.use(engine);
    } catch (cause) {
      if (signal.aborted) return;
      const error = cause instanceof KaiwenError ? cause : new KaiwenError('internal', String(cause), { cause });
      this.failure = new KaiwenError('engine_failed', 'The engine failed and could not be loaded again.', {
        cause: error,
        remedy: 'It is tried again by itself.',
      });
      this.onFailure(error);
      this.retry();
    }
  }

  /** The engine, waiting for one that is being loaded. Throws KaiwenError 'engine_failed', 'aborted', 'closed'. */
  private async awaitEngine(signal?: AbortSignal): Promise<EngineClient> {
    if (this.engine) return this.engine;
    if (this.loading && this.waiting < MOST_WAITING) {
      this.waiting++;
      try {
        await settledWithin(this.loading, LONGEST_WAIT_MS, signal);
      } finally {
        this.waiting--;
      }
    }
    if (this.closing.signal.aborted) throw new KaiwenError('closed', 'The model was closed.');
    if (signal?.aborted) throw new KaiwenError('aborted', 'Cancelled.');
    if (this.engine) return this.engine;
    throw (
      this.failure ?? new KaiwenError('engine_failed', 'The engine is being loaded again.', { remedy: 'Ask again.' })
    );
  }
}

/** Resolves when `promise` has settled, `signal` has fired or the time is over. */
function settledWithin(promise: Promise<void>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
    promise.then(done, done);
  });
}
