/**
 * Continuing a message that the client has begun in the assistant's name: its text follows the prompt, and the answer is
 * what comes after it. Thinking comes before an answer and calls are told by how they begin, so neither goes together
 * with a message that has begun.
 */
import type { ChatMessage, ChatOptions, TextEvent } from '../generate/api.js';
import type { Call } from './call.js';
import { invalidValue } from './fields.js';
import type { Lease } from './hub.js';

/** Whether the conversation ends in the middle of an answer. */
export function isBegun(messages: readonly ChatMessage[]): boolean {
  const last = messages[messages.length - 1];
  return last?.role === 'assistant' && !last.toolCalls?.length;
}

/** The ids of a conversation whose last message has begun. Throws HttpError 400 where it cannot go on. */
export function begunPrompt(
  { model, adapter }: Lease,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): number[] {
  const { think, tools, toolChoice = 'auto' } = options;
  if (think) throw invalidValue('messages', 'a message that has begun cannot be continued with thinking');
  if (tools?.length && toolChoice !== 'none')
    throw invalidValue('messages', 'a message that has begun cannot be continued with tools');
  const before = model.prompt(messages.slice(0, -1), {
    ...(model.canThink && { think: false }),
    ...(adapter !== undefined && { adapter }),
  });
  return [...before, ...model.tokenize(messages[messages.length - 1].content)];
}

/** The answer to a conversation, or the rest of the answer in whose middle it ends. */
export function answerOrContinue(
  call: Call,
  lease: Lease,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): AsyncIterable<TextEvent> {
  if (!isBegun(messages)) return call.chat(lease, messages, options);
  const { think: _think, tools: _tools, toolChoice: _choice, parallelToolCalls: _parallel, ...rest } = options;
  return call.generate(lease, begunPrompt(lease, messages, options), rest);
}
