/**
 * An answer as the events of Anthropic's stream: a message is opened, its blocks one after the other are opened, grow
 * and are closed, then the message is. An answer that is not streamed is the same events put together.
 */
import type { AnswerEnd, TextEvent } from '../../generate/api.js';
import type { GenerateStats } from '../../generate/engine.js';

export interface MessageHead {
  id: string;
  /** The served model's name. */
  model: string;
  /** Tokens of the prompt, once they are known. */
  promptTokens: () => number;
  maxTokens: number;
  /** Thinking is signed but not shown. */
  hideThinking: boolean;
}

export type ContentBlock =
  | { type: 'text'; text: string; citations: null }
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'tool_use'; id: string; name: string; input: unknown; caller: { type: 'direct' } };

type Delta =
  | { type: 'text_delta'; text: string }
  | { type: 'thinking_delta'; thinking: string }
  | { type: 'signature_delta'; signature: string }
  | { type: 'input_json_delta'; partial_json: string };

interface Usage {
  input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  output_tokens: number;
  output_tokens_details: { thinking_tokens: number } | null;
  server_tool_use: null;
}

interface End {
  stop_reason: string | null;
  stop_sequence: string | null;
  stop_details: null;
  container: null;
}

type Message = { content: ContentBlock[]; usage: Usage & Record<string, unknown> } & End & Record<string, unknown>;

export type MessageEvent =
  | { type: 'message_start'; message: Message }
  | { type: 'content_block_start'; index: number; content_block: ContentBlock }
  | { type: 'content_block_delta'; index: number; delta: Delta }
  | { type: 'content_block_stop'; index: number }
  | { type: 'message_delta'; delta: End; usage: Usage }
  | { type: 'message_stop' };

/** The first event comes with the answer's first: until then the request may still turn out to be wrong. */
export async function* messageEvents(
  source: AsyncIterable<TextEvent>,
  head: MessageHead,
): AsyncGenerator<MessageEvent> {
  let started = false;
  let index = -1;
  let open: 'text' | 'thinking' | 'tool_use' | undefined;
  let thought = '';
  const delta = (delta: Delta): MessageEvent => ({ type: 'content_block_delta', index, delta });
  const begin = (block: ContentBlock): MessageEvent => {
    open = block.type;
    return { type: 'content_block_start', index: ++index, content_block: block };
  };
  async function* close(): AsyncGenerator<MessageEvent> {
    if (open === 'thinking') yield delta({ type: 'signature_delta', signature: await signature(thought) });
    if (open) yield { type: 'content_block_stop', index };
    open = undefined;
    thought = '';
  }
  for await (const event of source) {
    if (!started) yield { type: 'message_start', message: emptyMessage(head) };
    started = true;
    if (event.type === 'text' && event.text !== '') {
      if (open !== 'text') {
        yield* close();
        yield begin({ type: 'text', text: '', citations: null });
      }
      yield delta({ type: 'text_delta', text: event.text });
    } else if (event.type === 'thinking') {
      if (open !== 'thinking') {
        yield* close();
        yield begin({ type: 'thinking', thinking: '', signature: '' });
      }
      thought += event.text;
      if (!head.hideThinking) yield delta({ type: 'thinking_delta', thinking: event.text });
    } else if (event.type === 'tool_call') {
      yield* close();
      const id = `toolu_${event.id.replace(/^call_/, '')}`;
      yield begin({ type: 'tool_use', id, name: event.name, input: {}, caller: { type: 'direct' } });
    } else if (event.type === 'tool_arguments') {
      yield delta({ type: 'input_json_delta', partial_json: event.text });
    } else if (event.type === 'done') {
      yield* close();
      yield { type: 'message_delta', delta: endOf(event, head.maxTokens), usage: usageOf(event.stats) };
    }
  }
  yield { type: 'message_stop' };
}

/** What the events amount to. */
export async function wholeMessage(events: AsyncIterable<MessageEvent>): Promise<object> {
  let message: Message | undefined;
  let json = '';
  for await (const event of events) {
    if (event.type === 'message_start') message = event.message;
    if (!message) continue;
    const block = message.content[message.content.length - 1];
    if (event.type === 'content_block_start') {
      message.content.push(event.content_block);
      json = '';
    } else if (event.type === 'content_block_delta') {
      const { delta } = event;
      if (delta.type === 'text_delta' && block.type === 'text') block.text += delta.text;
      else if (delta.type === 'thinking_delta' && block.type === 'thinking') block.thinking += delta.thinking;
      else if (delta.type === 'signature_delta' && block.type === 'thinking') block.signature = delta.signature;
      else if (delta.type === 'input_json_delta') json += delta.partial_json;
    } else if (event.type === 'content_block_stop' && block.type === 'tool_use') block.input = parsed(json);
    else if (event.type === 'message_delta') {
      Object.assign(message, event.delta);
      Object.assign(message.usage, event.usage);
    }
  }
  if (!message) throw new Error('an answer without events');
  return message;
}

/** Arguments that were cut off are no JSON; the stop reason says so. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

function emptyMessage({ id, model, promptTokens }: MessageHead): Message {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: {
      input_tokens: promptTokens(),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation: null,
      output_tokens: 0,
      output_tokens_details: null,
      server_tool_use: null,
      service_tier: 'standard',
      inference_geo: null,
      speed: null,
    },
  };
}

/** The prompt's tokens are those computed and those that were in the cache, counted apart. */
function usageOf({ promptTokens, cachedTokens, completionTokens, thinkingTokens }: GenerateStats): Usage {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
    output_tokens_details: { thinking_tokens: thinkingTokens ?? 0 },
    server_tool_use: null,
  };
}

function endOf({ reason, stop, stats }: Extract<TextEvent, { type: 'done' }>, maxTokens: number): End {
  const none = { stop_sequence: null, stop_details: null, container: null };
  if (stop !== undefined) return { ...none, stop_reason: 'stop_sequence', stop_sequence: stop };
  if (reason === 'length' && stats.completionTokens < maxTokens)
    return { ...none, stop_reason: 'model_context_window_exceeded' };
  return { ...none, stop_reason: STOP_REASONS[reason] };
}

/** What breaks an answer off (repetition without end, a deadline) has no name of its own here: the answer is cut. */
const STOP_REASONS: Readonly<Record<AnswerEnd, string>> = {
  stop: 'end_turn',
  tool_calls: 'tool_use',
  length: 'max_tokens',
  repetition: 'max_tokens',
  timeout: 'max_tokens',
  aborted: 'max_tokens',
};

/** Stands for the thinking when a client sends it back: its digest. Nothing secret goes into it, and nobody checks it. */
async function signature(thinking: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(thinking));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
