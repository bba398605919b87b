/**
 * The engine's worker thread: loads the model, then answers tasks, as many at a time as there are sequences. Between
 * steps it looks at its messages, so that a cancelled task ends within one step.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { KaiwenError } from '../errors.js';
import { Grammars } from './grammar/grammars.js';
import { LoadedModel } from './loaded-model.js';
import { type FromWorker, sendError, type Task, type ToWorker, type WorkerData } from './messages.js';
import { Session } from './session.js';

const { path, options, cancelLoad } = workerData as WorkerData;
const port = parentPort!;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function main(): void {
  let model: LoadedModel;
  try {
    let reported = 0;
    model = LoadedModel.load(path, options, (progress) => {
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
  const grammars = new Grammars(path);
  const session = new Session(model, options.speculate, grammars);
  const running = new Map<number, { controller: AbortController; ended: Promise<void> }>();
  port.on('message', async (message: ToWorker) => {
    if ('close' in message) {
      for (const { controller } of running.values()) controller.abort();
      await Promise.all([...running.values()].map(({ ended }) => ended));
      await grammars.close();
      model[Symbol.dispose]();
      port.close();
    } else if ('task' in message) {
      const { id, task } = message;
      const controller = new AbortController();
      const ended = answer(session, id, task, controller.signal).finally(() => running.delete(id));
      running.set(id, { controller, ended });
    } else {
      running.get(message.id)?.controller.abort();
    }
  });
}

/** Never rejects. */
async function answer(session: Session, id: number, task: Task, signal: AbortSignal): Promise<void> {
  try {
    if (task.kind === 'generate') {
      await session.generate(task.request, signal, (event) => send({ id, event }));
    } else {
      const result = await session.compute(task, signal);
      send({ id, result }, result instanceof Float32Array ? [result.buffer as ArrayBuffer] : []);
    }
  } catch (error) {
    send({ id, error: sendError(error) });
  }
}

main();
