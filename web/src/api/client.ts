/** The server's interface as the page uses it: the list of models, and one streamed chat completion. */
import type { ToolCall } from '../state/types.js';
import { AskError, failureFrom } from './failure.js';
import { field, list, number, parse, text } from './json.js';
import { serverEvents } from './sse.js';

export interface ServedModel {
  id: string;
  /** Tokens that a conversation may hold. */
  context?: number;
}

export interface Usage {
  promptTokens?: number;
  completionTokens?: number;
}

/** A piece of an answer. A tool call's name comes with its first piece. */
export type Delta =
  | { type: 'text'; text: string }
  | { type: 'thinking'; text: string }
  | { type: 'notice'; text: string }
  | { type: 'call'; index: number; call: ToolCall }
  | { type: 'finish'; reason: string }
  | { type: 'usage'; usage: Usage };

/** Addresses are relative to the page's, which may lie behind a path of a proxy. */
const address = (path: string): URL => new URL(path, document.baseURI);

async function request(path: string, key: string, init: RequestInit): Promise<Response> {
  const headers = { ...(init.body ? { 'content-type': 'application/json' } : {}), ...authorization(key) };
  let response: Response;
  try {
    response = await fetch(address(path), { ...init, headers, credentials: 'same-origin', redirect: 'error' });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new AskError({ kind: 'unreachable' });
  }
  if (response.ok) return response;
  const body = parse(await response.text().catch(() => ''));
  throw new AskError(failureFrom(body, response.status, response.headers.get('retry-after')));
}

function authorization(key: string): Record<string, string> {
  return key === '' ? {} : { authorization: `Bearer ${key}` };
}

/** Throws AskError. */
export async function listModels(key: string, signal?: AbortSignal): Promise<ServedModel[]> {
  const response = await request('v1/models', key, { signal });
  const body = parse(await response.text());
  return list(field(body, 'data')).flatMap((entry) => {
    const id = text(field(entry, 'id'));
    const context = number(field(entry, 'max_model_len'));
    return id === undefined ? [] : [{ id, ...(context === undefined ? {} : { context }) }];
  });
}

/** The answer's pieces as they come. Throws AskError, and what the signal was aborted with. */
export async function* chat(body: object, key: string, signal: AbortSignal): AsyncGenerator<Delta> {
  const response = await request('v1/chat/completions', key, {
    method: 'POST',
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.body) throw new AskError({ kind: 'lost' });
  try {
    for await (const { data } of serverEvents(response.body)) {
      if (data === '[DONE]') return;
      yield* deltas(data);
    }
  } catch (cause) {
    if (cause instanceof AskError || signal.aborted) throw cause;
  }
  throw new AskError({ kind: 'lost' });
}

function* deltas(data: string): Generator<Delta> {
  const chunk = parse(data);
  if (field(chunk, 'error') !== undefined) throw new AskError(failureFrom(chunk, 0));
  for (const notice of list(field(chunk, 'notices'))) {
    if (typeof notice === 'string') yield { type: 'notice', text: notice };
  }
  for (const choice of list(field(chunk, 'choices'))) {
    const delta = field(choice, 'delta');
    const thinking = text(field(delta, 'reasoning_content'));
    if (thinking) yield { type: 'thinking', text: thinking };
    const content = text(field(delta, 'content'));
    if (content) yield { type: 'text', text: content };
    for (const call of list(field(delta, 'tool_calls'))) yield toolCall(call);
    const reason = text(field(choice, 'finish_reason'));
    if (reason) yield { type: 'finish', reason };
  }
  const usage = field(chunk, 'usage');
  if (usage) {
    const promptTokens = number(field(usage, 'prompt_tokens'));
    const completionTokens = number(field(usage, 'completion_tokens'));
    yield { type: 'usage', usage: { promptTokens, completionTokens } };
  }
}

function toolCall(value: unknown): Delta {
  const called = field(value, 'function');
  const call = {
    id: text(field(value, 'id')) ?? '',
    name: text(field(called, 'name')) ?? '',
    arguments: text(field(called, 'arguments')) ?? '',
  };
  return { type: 'call', index: number(field(value, 'index')) ?? 0, call };
}
