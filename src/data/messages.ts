/** Messages as data has them (OpenAI's, ShareGPT's, tool calls as objects or strings, `<think>` in texts) as ours. */
import type { Json, JsonObject } from '../formats/checkpoint.js';
import type { ToolCall } from '../tokenizer/chat-template.js';
import { Fault, type Message } from './example.js';

export type Fields = Record<string, unknown>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ROLES: Readonly<Record<string, Message['role'] | 'call'>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  chatgpt: 'assistant',
  model: 'assistant',
  bot: 'assistant',
  tool: 'tool',
  function: 'tool',
  ipython: 'tool',
  observation: 'tool',
  function_call: 'call',
  tool_call: 'call',
};

/** Throws Fault naming the message and the field. */
export function readMessages(given: unknown, name: string): Message[] {
  // A table holds lists as texts.
  const value = parsed(given, name);
  if (!Array.isArray(value)) throw new Fault(value === undefined ? `${name} is missing` : `${name} is not a list`);
  if (value.length === 0) throw new Fault(`${name} is empty`);
  return value.map((message: unknown, i) => readMessage(message, `${name}[${i}]`));
}

function readMessage(value: unknown, name: string): Message {
  if (!isObject(value)) throw new Fault(`${name} is not an object`);
  const roleName = value.role ?? value.from;
  const role = typeof roleName === 'string' && Object.hasOwn(ROLES, roleName) ? ROLES[roleName] : undefined;
  if (role === undefined) {
    throw new Fault(`${name} has the role ${shown(roleName)}`, 'Roles are system, user, assistant and tool.');
  }
  const weight = readWeight(value.weight, name);
  const written = value.content ?? value.value;
  if (role === 'call') {
    return { role: 'assistant', content: '', toolCalls: readCalls(written, `${name}.value`), ...weight };
  }
  const toolCalls = readCalls(value.tool_calls ?? value.toolCalls ?? undefined, `${name}.tool_calls`);
  const called = toolCalls.length > 0;
  const content = textOf(
    written,
    `${name}.${value.value === undefined ? 'content' : 'value'}`,
    called ? '' : undefined,
  );
  if (role !== 'assistant') return { role, content, ...weight };
  const given = value.reasoning_content ?? value.thinking ?? value.reasoning;
  const parts =
    given === undefined || given === null
      ? splitThinking(content)
      : { content, thinking: textOf(given, `${name}.thinking`) };
  if (parts.content.trim() === '' && !called) throw new Fault(`${name} is an empty answer`);
  return { role, ...parts, ...(called && { toolCalls }), ...weight };
}

/** A thinking block at the beginning of an answer belongs to the template, not to the text. */
function splitThinking(content: string): { content: string; thinking?: string } {
  const found = /^\s*<think>([\s\S]*?)<\/think>\s*/.exec(content);
  if (!found) return { content };
  return { content: content.slice(found[0].length), thinking: found[1].trim() };
}

/** A text, or OpenAI's list of parts that are all text. `absent`: what stands for null. */
export function textOf(value: unknown, name: string, absent?: string): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) {
    if (absent !== undefined) return absent;
    throw new Fault(`${name} is missing`);
  }
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (!Array.isArray(value)) throw new Fault(`${name} is not a text`);
  return value
    .map((part: unknown) => {
      if (typeof part === 'string') return part;
      if (isObject(part) && typeof part.text === 'string') return part.text;
      throw new Fault(`${name} has a part that is not text`, 'Pictures and sound cannot be learned.');
    })
    .join('');
}

function readWeight(value: unknown, name: string): { weight?: number } {
  if (value === undefined || value === null) return {};
  if (typeof value === 'number' && value >= 0 && value <= 1) return { weight: value };
  throw new Fault(`${name}.weight is ${shown(value)}`, 'Weights are numbers from 0 to 1.');
}

function readCalls(value: unknown, name: string): ToolCall[] {
  const list = parsed(value, name);
  if (list === undefined || list === null) return [];
  return (Array.isArray(list) ? (list as unknown[]) : [list]).map((call, i) => {
    const inner = isObject(call) && isObject(call.function) ? call.function : call;
    if (!isObject(inner) || typeof inner.name !== 'string' || inner.name === '') {
      throw new Fault(`${name}[${i}] has no name`, 'A call is {"name": …, "arguments": {…}}.');
    }
    return { name: inner.name, arguments: parsed(inner.arguments ?? {}, `${name}[${i}].arguments`) as Json };
  });
}

/** The field `tools`, a list or the text of one. */
export function readTools(value: unknown): { tools?: JsonObject[] } {
  const tools = parsed(value, 'tools');
  if (tools === undefined || tools === null) return {};
  if (!Array.isArray(tools) || !tools.every(isObject)) throw new Fault('tools is not a list of objects');
  return tools.length === 0 ? {} : { tools: tools as JsonObject[] };
}

/** A text that should hold JSON is parsed. */
function parsed(value: unknown, name: string): unknown {
  if (typeof value !== 'string') return value;
  if (value.trim() === '') return undefined;
  try {
    return JSON.parse(value);
  } catch {
    throw new Fault(`${name} is a text that is not JSON`);
  }
}

function shown(value: unknown): string {
  return value === undefined ? '(none)' : (JSON.stringify(value)?.slice(0, 40) ?? String(value));
}
