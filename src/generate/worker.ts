/**
 * The engine's worker thread: loads the model, then answers tasks, as many at a time as there are sequences. Between
 * steps it looks at its messages, so that a cancelled task ends within one step.
 */
import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import { KaiwenError } from '../errors.js';
import { Grammars } from './grammar/grammars.js';
import { LoadedModel } from './loaded-model.js';
import { type FromWorker, type StepEvent, sendError, type Task, type ToWorker, type WorkerData } from './messages.js';
import { Session } from './session.js';

/** Between two reports of the engine's status, at least. */
const STATUS_MS = 250;

const { path, options, cancelLoad } = workerData as WorkerData;
const port = parentPort!;

function send(message: FromWorker, transfer: TransferListItem[] = []): void {
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
  const { info, lifelines } = model;
  send({ ready: info, lifelines }, lifelines);
  serve(model);
}

function serve(model: LoadedModel): void {
  /** What the step has yielded: one message, however many answers advance. */
  let events: StepEvent[] = [];
  let reported = -Infinity;
  const grammars = new Grammars(path);
  const session = new Session(model, options.speculate, grammars, {
    afterStep: (idle) => {
      if (events.length > 0) send({ events });
      events = [];
      const now = performance.now();
      if (!idle && now - reported < STATUS_MS) return;
      reported = now;
      send({ status: session.status });
    },
    broken: (cause) => {
      // Memory and team are in doubt: this thread ends, and with it the team.
      send({ failed: sendError(new KaiwenError('engine_failed', 'The engine failed.', { cause })) });
      process.exit(1);
    },
  });
  send({ status: session.status });
  const running = new Map<number, { controller: AbortController; ended: Promise<void> }>();
  const answer = async (id: number, task: Task, signal: AbortSignal): Promise<void> => {
    try {
      if (task.kind === 'generate') {
        await session.generate(task.request, signal, (event) => events.push({ id, event }));
      } else {
        const result = await session.compute(task, signal);
        send({ id, result }, result instanceof Float32Array ? [result.buffer as ArrayBuffer] : []);
      }
    } catch (error) {
      send({ id, error: sendError(error) });
    }
  };
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
      const ended = answer(id, task, controller.signal).finally(() => running.delete(id));
      running.set(id, { controller, ended });
    } else {
      running.get(message.id)?.controller.abort();
    }
  });
}

main();
