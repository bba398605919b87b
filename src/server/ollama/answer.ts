/**
 * An answer as Ollama's objects: one for each piece, and a last one with times in nanoseconds and counts. What is not
 * streamed is the same pieces put together.
 */
import type { Json } from '../../formats/checkpoint.js';
import type { TextEvent } from '../../generate/api.js';
import { chatLogprob } from '../openai/logprobs.js';

export interface Piece {
  content: string;
  thinking?: string;
  tool_calls?: ToolCall[];
  logprobs?: ReturnType<typeof chatLogprob>[];
}

interface ToolCall {
  id: string;
  function: { index: number; name: string; arguments: Json };
}

/** How an answer ended: the fields of the last object. */
export interface End {
  done: true;
  done_reason: 'stop' | 'length';
  total_duration: number;
  load_duration: number;
  prompt_eval_count: number;
  prompt_eval_duration: number;
  eval_count: number;
  eval_duration: number;
}

/** When a request came, and when its model was there: milliseconds of performance.now(). */
export interface Clock {
  asked: number;
  loaded: number;
}

/** Calls come whole, since clients expect their arguments as objects; one that was cut off does not come. */
export async function* pieces(
  source: AsyncIterable<TextEvent>,
  { asked, loaded }: Clock,
): AsyncGenerator<{ piece: Piece } | { end: End }> {
  let call: { index: number; id: string; name: string; json: string } | undefined;
  const finished = (): { piece: Piece }[] => {
    if (!call) return [];
    const { index, id, name, json } = call;
    call = undefined;
    try {
      const called = { index, name, arguments: JSON.parse(json) as Json };
      return [{ piece: { content: '', tool_calls: [{ id, function: called }] } }];
    } catch {
      return [];
    }
  };
  for await (const event of source) {
    if (event.type === 'tool_arguments') {
      if (call) call.json += event.text;
      continue;
    }
    yield* finished();
    if (event.type === 'tool_call') call = { index: event.index, id: event.id, name: event.name, json: '' };
    else if (event.type === 'text') {
      const logprobs = event.logprobs?.map(chatLogprob);
      yield { piece: { content: event.text, ...(logprobs && { logprobs }) } };
    } else if (event.type === 'thinking') yield { piece: { content: '', thinking: event.text } };
    else if (event.type === 'done') {
      const { promptTokens, completionTokens, prefillMs, decodeMs } = event.stats;
      yield {
        end: {
          done: true,
          done_reason: event.reason === 'stop' || event.reason === 'tool_calls' ? 'stop' : 'length',
          total_duration: nanoseconds(performance.now() - asked),
          load_duration: nanoseconds(loaded - asked),
          prompt_eval_count: promptTokens,
          prompt_eval_duration: nanoseconds(prefillMs),
          eval_count: completionTokens,
          eval_duration: nanoseconds(decodeMs),
        },
      };
    }
  }
}

/** All pieces as one, and how they ended. */
export async function whole(source: AsyncIterable<{ piece: Piece } | { end: End }>): Promise<[Piece, End | undefined]> {
  const all: Piece = { content: '' };
  let end: End | undefined;
  for await (const step of source) {
    if ('end' in step) {
      end = step.end;
      continue;
    }
    const { content, thinking, tool_calls, logprobs } = step.piece;
    all.content += content;
    if (thinking) all.thinking = (all.thinking ?? '') + thinking;
    if (tool_calls) all.tool_calls = [...(all.tool_calls ?? []), ...tool_calls];
    if (logprobs) all.logprobs = [...(all.logprobs ?? []), ...logprobs];
  }
  return [all, end];
}

export function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}
