import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ServerEvent, serverEvents } from './sse.js';

async function read(bytes: Uint8Array, cuts: readonly number[] = []): Promise<ServerEvent[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let from = 0;
      for (const cut of [...cuts].sort((a, b) => a - b)) {
        controller.enqueue(bytes.slice(from, Math.max(from, cut)));
        from = Math.max(from, cut);
      }
      controller.enqueue(bytes.slice(from));
      controller.close();
    },
  });
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(body)) events.push(event);
  return events;
}

const STREAM =
  'data: {"a":"开问"}\r\n\r\n: waiting\n\nevent: x\ndata: one\ndata:two\r\rdata: [DONE]\n\ndata: unfinished';
const EVENTS = [
  { event: 'message', data: '{"a":"开问"}' },
  { event: 'x', data: 'one\ntwo' },
  { event: 'message', data: '[DONE]' },
];

describe('server-sent events', () => {
  it('are the same however the bytes were cut', async () => {
    const bytes = new TextEncoder().encode(STREAM);
    expect(await read(bytes)).toEqual(EVENTS);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 12 }), async (cuts) => {
        expect(await read(bytes, cuts)).toEqual(EVENTS);
      }),
    );
  });
});
