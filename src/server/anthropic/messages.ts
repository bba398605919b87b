/** `POST /v1/messages` and `POST /v1/messages/count_tokens`. */
import type { TextEvent } from '../../generate/api.js';
import type { Call } from '../call.js';
import { answerOrContinue, begunPrompt, isBegun } from '../continuation.js';
import { sse, streamResponse } from '../stream.js';
import { untrimmed } from '../untrimmed.js';
import { type MessageEvent, messageEvents, wholeMessage } from './answer.js';
import { errorBody } from './errors.js';
import { chatOptions, conversation, promptOptions } from './prompt.js';
import { parseCount, parseMessage } from './schema.js';

export async function createMessage(call: Call): Promise<Response> {
  const body = parseMessage(await call.json());
  const messages = conversation(body);
  const lease = await call.open(body.model);
  let promptTokens = 0;
  const options = {
    ...chatOptions(body, lease.model),
    admit: (tokens: number) => {
      promptTokens = tokens;
    },
  };
  const source: AsyncIterable<TextEvent> = untrimmed(answerOrContinue(call, lease, messages, options));
  const { thinking } = body;
  const events = messageEvents(source, {
    id: `msg_${crypto.randomUUID().replaceAll('-', '')}`,
    model: lease.id,
    promptTokens: () => promptTokens,
    maxTokens: body.max_tokens,
    hideThinking: thinking ? thinking.type !== 'disabled' && thinking.display === 'omitted' : false,
  });
  const headers = { 'request-id': call.id };
  if (!body.stream) return Response.json(await wholeMessage(events), { headers });
  return streamResponse(call, frames(events), {
    headers,
    keepAlive: frame({ type: 'ping' }),
    onError: (error) => frame(errorBody(error, call.id)),
  });
}

export async function countTokens(call: Call): Promise<Response> {
  const body = parseCount(await call.json());
  const lease = await call.open(body.model);
  const { model, adapter } = lease;
  const messages = conversation(body);
  const options = promptOptions(body, model);
  const { think, tools } = options;
  const tokens = isBegun(messages)
    ? begunPrompt(lease, messages, options).length
    : model.tokenCount(messages, { think, tools, ...(adapter && { adapter }) });
  return Response.json({ input_tokens: tokens }, { headers: { 'request-id': call.id } });
}

async function* frames(events: AsyncIterable<MessageEvent>): AsyncGenerator<string> {
  for await (const event of events) yield frame(event);
}

/** Each event is named by its type. */
function frame(event: { type: string }): string {
  return sse(JSON.stringify(event), event.type);
}
