/** Conversations as a JSON file, out and in. What comes in is read field by field: the file may be anybody's. */
import { field, list, number, parse, text } from '../api/json.js';
import { type Conversation, FAILURE_KINDS, type Message, STATES, type ToolCall } from './types.js';

const FORMAT = 'kaiwen-conversations';

export function exportJson(conversations: readonly Conversation[]): string {
  return JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 1);
}

/** Those of the file that can be read; undefined if it is no such file. */
export function importJson(source: string): Conversation[] | undefined {
  const file = parse(source);
  if (field(file, 'format') !== FORMAT) return undefined;
  return list(field(file, 'conversations')).flatMap((entry) => readConversation(entry) ?? []);
}

/** Undefined for what is no conversation. An answer that was still coming when it was written has stopped. */
export function readConversation(value: unknown): Conversation | undefined {
  const id = text(field(value, 'id'));
  const created = number(field(value, 'created'));
  if (!id || created === undefined) return undefined;
  const messages = list(field(value, 'messages')).flatMap((entry) => readMessage(entry) ?? []);
  const leaf = text(field(value, 'leaf'));
  const model = text(field(value, 'model'));
  return {
    id,
    title: text(field(value, 'title')) ?? '',
    created,
    updated: number(field(value, 'updated')) ?? created,
    system: text(field(value, 'system')) ?? '',
    ...(model ? { model } : {}),
    messages,
    leaf: messages.some((message) => message.id === leaf) ? leaf! : (messages.at(-1)?.id ?? null),
  };
}

function readMessage(value: unknown): Message | undefined {
  const id = text(field(value, 'id'));
  const role = oneOf(['user', 'assistant', 'tool'] as const, field(value, 'role'));
  if (!id || !role) return undefined;
  const state = oneOf(STATES, field(value, 'state')) ?? 'done';
  const failure = field(value, 'failure');
  const kind = oneOf(FAILURE_KINDS, field(failure, 'kind'));
  const stats = field(value, 'stats');
  const calls = list(field(value, 'toolCalls')).map(readCall);
  const notices = list(field(value, 'notices')).filter((notice) => typeof notice === 'string');
  return defined({
    id,
    parent: text(field(value, 'parent')) ?? null,
    role,
    content: text(field(value, 'content')) ?? '',
    created: number(field(value, 'created')) ?? 0,
    state: state === 'streaming' ? 'stopped' : state,
    model: text(field(value, 'model')),
    thinking: text(field(value, 'thinking')),
    thinkingMs: number(field(value, 'thinkingMs')),
    toolCalls: calls.length > 0 ? calls : undefined,
    finish: text(field(value, 'finish')),
    notices: notices.length > 0 ? notices : undefined,
    stats: stats
      ? defined({
          firstMs: number(field(stats, 'firstMs')),
          tokensPerSecond: number(field(stats, 'tokensPerSecond')),
          promptTokens: number(field(stats, 'promptTokens')),
          completionTokens: number(field(stats, 'completionTokens')),
        })
      : undefined,
    failure: kind ? defined({ kind, detail: text(field(failure, 'detail')) }) : undefined,
    toolCallId: text(field(value, 'toolCallId')),
  });
}

function readCall(value: unknown): ToolCall {
  return {
    id: text(field(value, 'id')) ?? '',
    name: text(field(value, 'name')) ?? '',
    arguments: text(field(value, 'arguments')) ?? '',
  };
}

function oneOf<const T extends string>(all: readonly T[], value: unknown): T | undefined {
  return all.find((one) => one === value);
}

/** Without the fields that are undefined. */
function defined<T extends object>(value: T): T {
  for (const key of Object.keys(value) as (keyof T)[]) if (value[key] === undefined) delete value[key];
  return value;
}
