import type { TextEvent } from '../generate/api.js';
import { HttpError } from './http-error.js';

/** The events of an answer whose prompt must be whole: a conversation that lost its oldest turns is an error 400. */
export async function* untrimmed(events: AsyncIterable<TextEvent>, param = 'messages'): AsyncGenerator<TextEvent> {
  for await (const event of events) {
    if (event.type === 'notice')
      throw new HttpError(400, 'context_length_exceeded', `The conversation is too long: ${event.message}`, {
        param,
      });
    yield event;
  }
}
