/** Worker threads that scan and encode batches; the answers come in the order of the batches, whoever is faster. */
import type { Worker } from 'node:worker_threads';
import { type ErrorCode, KaiwenError } from '../errors.js';
import { startWorker } from '../tensor/host.js';
import type { RawRecord } from './readers/record.js';
import type { TextSide } from './text-side.js';
import { type EncodedBatch, type ScannedBatch, Work, type WorkSettings } from './work.js';

export type Task = { records: RawRecord[]; keep?: Uint8Array };
export type TaskResult = ScannedBatch | EncodedBatch;
export type Answer = { result: TaskResult } | { error: { code: ErrorCode; message: string; remedy?: string } };

export interface Pool extends AsyncDisposable {
  /** How many batches may wait for their answers. */
  readonly width: number;
  scan(records: RawRecord[]): Promise<ScannedBatch>;
  encode(records: RawRecord[], keep: Uint8Array): Promise<EncodedBatch>;
}

/** @param threads 1: the work is done on the caller's thread */
export function startPool(settings: WorkSettings, threads: number, side?: TextSide): Pool {
  if (threads > 1) return new WorkerPool(settings, threads);
  const work = new Work(settings, side);
  return {
    width: 1,
    scan: async (records) => work.scan(records),
    encode: async (records, keep) => work.encode(records, keep),
    async [Symbol.asyncDispose]() {},
  };
}

/** Runs `task` on every item, a few at a time, and yields the results in the items' order. */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  width: number,
  task: (item: T) => Promise<R>,
): AsyncGenerator<[T, R]> {
  const waiting: [T, Promise<R>][] = [];
  for await (const item of items) {
    const answer = task(item);
    // Whoever waits for it will see the error; until then it is not unhandled.
    answer.catch(() => {});
    waiting.push([item, answer]);
    if (waiting.length < width) continue;
    const [first, promise] = waiting.shift()!;
    yield [first, await promise];
  }
  for (const [item, promise] of waiting) yield [item, await promise];
}

interface Entry {
  worker: Worker;
  waiting: { resolve(result: TaskResult): void; reject(error: Error): void }[];
  /** The worker has ended. */
  failure?: KaiwenError;
}

class WorkerPool implements Pool {
  readonly width: number;
  readonly #workers: Entry[];

  constructor(settings: WorkSettings, threads: number) {
    this.width = threads * 3;
    this.#workers = Array.from({ length: threads }, () => {
      const worker = startWorker('data/worker.js', settings);
      const entry: Entry = { worker, waiting: [] };
      worker.on('message', (answer: Answer) => {
        const { resolve, reject } = entry.waiting.shift()!;
        if ('result' in answer) resolve(answer.result);
        else reject(new KaiwenError(answer.error.code, answer.error.message, { remedy: answer.error.remedy }));
      });
      const fail = (cause?: Error): void => {
        const error = new KaiwenError(
          'internal',
          `A worker that prepares data ended${cause ? `: ${cause.message}` : ''}.`,
          { cause },
        );
        entry.failure ??= error;
        for (const { reject } of entry.waiting.splice(0)) reject(error);
      };
      worker.on('error', fail);
      worker.on('exit', () => fail());
      return entry;
    });
  }

  scan(records: RawRecord[]): Promise<ScannedBatch> {
    return this.#ask({ records }) as Promise<ScannedBatch>;
  }

  encode(records: RawRecord[], keep: Uint8Array): Promise<EncodedBatch> {
    return this.#ask({ records, keep }) as Promise<EncodedBatch>;
  }

  #ask(task: Task): Promise<TaskResult> {
    const idlest = this.#workers.reduce((best, entry) => (entry.waiting.length < best.waiting.length ? entry : best));
    return new Promise((resolve, reject) => {
      if (idlest.failure) return reject(idlest.failure);
      idlest.waiting.push({ resolve, reject });
      idlest.worker.postMessage(task);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }
}
