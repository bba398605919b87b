/**
 * Streamed responses from frames of text, whatever the protocol makes of them: server-sent events or lines of JSON. The
 * source is drained as fast as it yields: a client that reads slowly must not hold up the engine, and one answer is
 * small. A client that leaves ends the source; the call ends with the last frame.
 */
import type { Call } from './call.js';

export interface StreamOptions {
  /** Default: server-sent events. */
  contentType?: string;
  /** What is sent into a silence so that proxies and clients do not give up; null: nothing. Default: a comment. */
  keepAlive?: string | null;
  headers?: Record<string, string>;
  /** The frames that report an error of the source, after which the stream ends. */
  onError: (error: unknown) => string;
}

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
  call.streaming = true;
  const encoder = new TextEncoder();
  let gone = false;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let quiet = false;
      const send = (text: string): void => {
        quiet = false;
        if (!gone) controller.enqueue(encoder.encode(text));
      };
      const timer = setInterval(() => {
        if (quiet && keepAlive !== null) send(keepAlive);
        quiet = true;
      }, keepAliveMs / 2);
      const pump = async (): Promise<void> => {
        try {
          for (;;) {
            const { done, value } = await source.next();
            if (done || gone) break;
            send(value);
          }
        } catch (error) {
          report(error);
          send(onError(error));
        } finally {
          clearInterval(timer);
          await source.return?.();
          call.end();
          if (!gone) controller.close();
        }
      };
      void pump();
    },
    cancel() {
      gone = true;
      call.cancel();
    },
  });
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
