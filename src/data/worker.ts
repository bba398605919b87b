/** A thread of the pool: answers each batch that it is sent. */
import { parentPort, workerData } from 'node:worker_threads';
import { KaiwenError } from '../errors.js';
import type { Answer, Task, TaskResult } from './pool.js';
import { Work, type WorkSettings } from './work.js';

const port = parentPort!;
const work = new Work(workerData as WorkSettings);

port.on('message', ({ records, keep }: Task) => {
  let result: TaskResult;
  try {
    result = keep ? work.encode(records, keep) : work.scan(records);
  } catch (error) {
    const { message } = error as Error;
    const { code, remedy } = error instanceof KaiwenError ? error : { code: 'internal' as const, remedy: undefined };
    port.postMessage({ error: { code, message, remedy } } satisfies Answer);
    return;
  }
  const buffers = Object.values(result).flatMap((value) =>
    ArrayBuffer.isView(value) ? [value.buffer as ArrayBuffer] : [],
  );
  port.postMessage({ result } satisfies Answer, buffers);
});
