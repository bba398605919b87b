/**
 * Which requests run, how many may, and how they end: by themselves, because the client left, or because the server
 * stops. One lifecycle a server; every protocol admits its requests here before it reads their bodies.
 */
import { HttpError } from './http-error.js';

/** A running request. Its signal aborts with an HttpError as the reason. */
export interface Ticket {
  readonly signal: AbortSignal;
  /** The client is gone. */
  cancel(): void;
  /** Must be called once the answer, or its stream, has ended. Calling it again does nothing. */
  leave(): void;
}

export class Lifecycle {
  readonly #limit: number;
  readonly #running = new Set<AbortController>();
  readonly #stopping = new AbortController();
  #admitted = 0;
  #whenIdle: (() => void) | undefined;

  /** `limit`: requests that may run or wait at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many requests have been admitted so far. */
  get admitted(): number {
    return this.#admitted;
  }

  get running(): number {
    return this.#running.size;
  }

  get draining(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Aborts when the server begins to stop: work that nobody waits for ends at the next good place. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** A place for at most `limitMs`. Throws HttpError 503 if the server stops or is full. */
  admit(request: Request, limitMs: number): Ticket {
    if (this.draining) throw stopping();
    if (this.#running.size >= this.#limit) {
      const message = `The server already holds ${this.#limit} requests: try again later.`;
      throw new HttpError(503, 'overloaded', message, { headers: { 'retry-after': '5' } });
    }
    this.#admitted++;
    const controller = new AbortController();
    const late = setTimeout(() => controller.abort(timedOut(limitMs)), limitMs + LATE_MS);
    const leave = (): void => {
      clearTimeout(late);
      request.signal.removeEventListener('abort', cancel);
      if (this.#running.delete(controller) && this.#running.size === 0) this.#whenIdle?.();
    };
    const cancel = (): void => {
      controller.abort(new HttpError(499, 'request_cancelled', 'The client closed the connection.'));
      // Nobody waits for this answer any more, so neither does a stop.
      leave();
    };
    this.#running.add(controller);
    if (request.signal.aborted) cancel();
    else request.signal.addEventListener('abort', cancel, { once: true });
    return { signal: controller.signal, cancel, leave };
  }

  /** Admits nobody any more, waits `limitMs` for those who run, then aborts the rest. */
  async drain(limitMs: number): Promise<void> {
    this.#stopping.abort();
    if (this.#running.size === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([idle, late]);
    clearTimeout(timer);
    for (const controller of this.#running) controller.abort(stopping());
  }
}

/** An answer whose time is up ends by itself; what has not ended so long after that is broken off. */
const LATE_MS = 2_000;

function timedOut(limitMs: number): HttpError {
  return new HttpError(504, 'request_timeout', `The request took longer than ${limitMs / 1000} s.`);
}

function stopping(): HttpError {
  return new HttpError(503, 'server_stopping', 'The server is stopping.', { headers: { connection: 'close' } });
}
