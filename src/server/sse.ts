/**
 * Server-sent events from an async iterator of payloads. The source is drained as fast as it yields: a client that
 * reads slowly must not hold up the engine, and one answer is small. A client that leaves ends the source.
 */

export interface EventStreamOptions {
  /** After this many milliseconds of silence a comment keeps proxies and clients from giving up. */
  keepAliveMs: number;
  /** The payload that reports an error of the source, after which the stream ends. */
  onError: (error: unknown) => string;
  /** Called when the client is gone. */
  onCancel: () => void;
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // Nginx would otherwise collect the events.
  'x-accel-buffering': 'no',
};

/** A streamed response, one `data:` event for each payload. */
export function eventStream(source: AsyncIterator<string>, options: EventStreamOptions): Response {
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
        if (quiet) send(': waiting\n\n');
        quiet = true;
      }, options.keepAliveMs / 2);
      const pump = async (): Promise<void> => {
        try {
          for (;;) {
            const { done, value } = await source.next();
            if (done || gone) break;
            send(`data: ${value}\n\n`);
          }
        } catch (error) {
          const payload = options.onError(error);
          send(`data: ${payload}\n\n`);
        } finally {
          clearInterval(timer);
          await source.return?.();
          if (!gone) controller.close();
        }
      };
      void pump();
    },
    cancel() {
      gone = true;
      options.onCancel();
    },
  });
  return new Response(body, { headers: HEADERS });
}

/**
 * Waits for the first payload, at most `ms`, then gives back an iterator that still yields it. An error that comes
 * within that time is thrown, so that it can become a status instead of an event.
 */
export async function firstWithin(source: AsyncIterator<string>, ms: number): Promise<AsyncIterator<string>> {
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
