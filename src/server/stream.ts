/**
 * Streamed responses from frames of text, whatever the protocol makes of them: server-sent events or lines of JSON. The
 * source is drained as fast as it yields, because a client that reads slowly must not hold up the engine, which serves
 * others; what waits for such a client is bounded. A client that leaves ends the source; the call ends with the last
 * frame.
 */
import type { Call } from './call.js';
import { HttpError, toHttpError } from './http-error.js';

export interface StreamOptions {
  /** Default: server-sent events. */
  contentType?: string;
  /** What is sent into a silence so that proxies and clients do not give up; null: nothing. Default: a comment. */
  keepAlive?: string | null;
  headers?: Record<string, string>;
  /** The frames that report an error of the source, after which the stream ends. */
  onError: (error: unknown) => string;
}

/** Bytes that may wait for a client that does not read them; a long answer has a few hundred thousand. */
const BACKLOG_BYTES = 4 << 20;

/** One server-sent event. */
export function sse(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}

/**
 * The response that sends `frames`. An error before the first of them, within the time of a keep-alive, is thrown, so
 * that it can become a status.
 */
export async function streamResponse(
  call: Call,
  frames: AsyncGenerator<string>,
  { contentType = 'text/event-stream; charset=utf-8', keepAlive = ': waiting\n\n', headers, onError }: StreamOptions,
): Promise<Response> {
  const { keepAliveMs, report } = call.service;
  const source = await firstWithin(frames, keepAliveMs);
  call.stream();
  const outlet = new Outlet(call);
  const pump = async (): Promise<void> => {
    const timer = setInterval(() => {
      if (outlet.quiet && keepAlive !== null) outlet.send(keepAlive);
      outlet.quiet = true;
    }, keepAliveMs / 2);
    try {
      for (;;) {
        const { done, value } = await source.next();
        if (done || outlet.gone) break;
        outlet.send(value);
      }
      await source.return?.();
    } catch (error) {
      report(error);
      call.record.error = toHttpError(error).code;
      outlet.send(onError(error));
    } finally {
      clearInterval(timer);
      call.end();
      outlet.close();
    }
  };
  void pump();
  // What is there already leaves together with the headers.
  await new Promise((resolve) => setImmediate(resolve));
  const body = new ReadableStream<Uint8Array>(
    { start: (controller) => outlet.open(controller), cancel: () => outlet.leave() },
    new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
  );
  return new Response(body, {
    headers: {
      'content-type': contentType,
      'cache-control': 'no-cache',
      // Nginx would otherwise collect the events.
      'x-accel-buffering': 'no',
      ...headers,
    },
  });
}

const encoder = new TextEncoder();

/** The sending end of one response. What comes within one turn of the event loop goes out as one piece. */
class Outlet {
  gone = false;
  /** Nothing was sent since somebody set this. */
  quiet = false;
  #text = '';
  #closed = false;
  #controller?: ReadableStreamDefaultController<Uint8Array>;

  constructor(private readonly call: Call) {}

  open(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#flush();
    if (this.#closed) this.close();
  }

  send(text: string): void {
    this.quiet = false;
    if (this.#text === '' && this.#controller) setImmediate(() => this.#flush());
    this.#text += text;
  }

  close(): void {
    this.#closed = true;
    this.#flush();
    if (!this.gone) this.#controller?.close();
  }

  /** The client takes no more. */
  leave(): void {
    this.gone = true;
    this.call.cancel();
  }

  #flush(): void {
    if (this.gone || this.#text === '' || !this.#controller) return;
    this.#controller.enqueue(encoder.encode(this.#text));
    this.#text = '';
    if (-(this.#controller.desiredSize ?? 0) > BACKLOG_BYTES) {
      this.#controller.error(new HttpError(499, 'slow_reader', 'The client does not read its answer.'));
      this.leave();
    }
  }
}

/** Waits for the first frame, at most `ms`, then gives back an iterator that still yields it. */
async function firstWithin(source: AsyncIterator<string>, ms: number): Promise<AsyncIterator<string>> {
  const first = source.next();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await Promise.race([first, timeout]);
  } finally {
    clearTimeout(timer);
  }
  let taken = false;
  return {
    next() {
      if (taken) return source.next();
      taken = true;
      return first;
    },
    return: async () => (await source.return?.()) ?? { done: true, value: undefined },
  };
}
