/**
 * The engine's worker thread: loads the model, then answers tasks one at a time in the order they came. Between
 * steps it looks at its messages, so that a cancelled task ends within one step.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { KaiwenError } from '../errors.js';
import { LoadedModel } from './loaded-model.js';
import { type FromWorker, type Result, sendError, type Task, type ToWorker, type WorkerData } from './messages.js';
import { Session } from './session.js';

const { path, options, cancelLoad } = workerData as WorkerData;
const port = parentPort!;
const queue: { id: number; task: Task }[] = [];
const cancelled = new Set<number>();
let wake = () => {};
let closing = false;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

port.on('message', (message: ToWorker) => {
  if ('close' in message) closing = true;
  else if ('task' in message) queue.push(message);
  else cancelled.add(message.id);
  wake();
});

async function main(): Promise<void> {
  let model: LoadedModel;
  try {
    let reported = 0;
    model = await LoadedModel.load(path, options, (progress) => {
      if (Atomics.load(cancelLoad, 0)) throw new KaiwenError('aborted', 'Loading was cancelled.');
      const now = performance.now();
      if (now - reported < 50 && progress.loadedBytes < progress.totalBytes) return;
      reported = now;
      send({ loading: progress });
    });
  } catch (error) {
    send({ failed: sendError(error) });
    port.close();
    return;
  }
  send({ ready: model.info });
  const session = new Session(model);
  while (!closing) {
    const next = queue.shift();
    if (next) await answer(session, next.id, next.task);
    else
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
  model[Symbol.dispose]();
  port.close();
}

async function answer(session: Session, id: number, task: Task): Promise<void> {
  /** Lets messages in; true if this task should stop. */
  const stopped = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return closing || cancelled.has(id);
  };
  try {
    if (task.kind === 'generate') {
      for await (const event of session.generate(task.request, stopped)) send({ id, event });
    } else {
      const result: Result = await session.compute(task, stopped);
      send({ id, result }, result instanceof Float32Array ? [result.buffer as ArrayBuffer] : []);
    }
  } catch (error) {
    send({ id, error: sendError(error) });
  } finally {
    cancelled.delete(id);
  }
}

main();
