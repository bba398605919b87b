/**
 * The items that a response takes in and gives out, as they are sent and stored, and the conversation that they make.
 * What an assistant says in one turn is several items (reasoning, a message, function calls) and one message to a model.
 */
import type { ChatMessage } from '../../../generate/api.js';
import type { ToolCall } from '../../../tokenizer/chat-template.js';
import { toolCall } from '../messages.js';

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface InputText {
  type: 'input_text';
  text: string;
}

export interface Logprob {
  token: string;
  logprob: number;
  bytes: number[];
  top_logprobs: { token: string; logprob: number; bytes: number[] }[];
}

export interface OutputText {
  type: 'output_text';
  text: string;
  annotations: never[];
  logprobs: Logprob[];
}

export interface InputMessage {
  id: string;
  type: 'message';
  role: 'user' | 'system' | 'developer';
  status: ItemStatus;
  content: InputText[];
}

export interface OutputMessage {
  id: string;
  type: 'message';
  role: 'assistant';
  status: ItemStatus;
  content: OutputText[];
}

export interface FunctionCall {
  id: string;
  type: 'function_call';
  status: ItemStatus;
  call_id: string;
  name: string;
  arguments: string;
}

export interface FunctionCallOutput {
  id: string;
  type: 'function_call_output';
  status: ItemStatus;
  call_id: string;
  output: string;
}

/** The text stands in `summary` for clients that asked for one, else in `content`. */
export interface Reasoning {
  id: string;
  type: 'reasoning';
  status: ItemStatus;
  summary: { type: 'summary_text'; text: string }[];
  content?: { type: 'reasoning_text'; text: string }[];
}

export type OutputItem = OutputMessage | FunctionCall | Reasoning;
export type Item = InputMessage | FunctionCallOutput | OutputItem;

const PREFIX: Record<Item['type'], string> = {
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fco',
  reasoning: 'rs',
};

/** An id that says which response the item belongs to, so that a reference to it can be found. */
export function itemId(type: Item['type'], response: string, side: 'in' | 'out', index: number): string {
  return `${PREFIX[type]}_${response.slice('resp_'.length)}_${side}${index}`;
}

/** The response that an item of ours belongs to; undefined for ids of others. */
export function responseOf(item: string): string | undefined {
  const hex = /^(?:msg|fc|fco|rs)_([0-9a-f]{32})_(?:in|out)\d{1,6}$/.exec(item)?.[1];
  return hex && `resp_${hex}`;
}

/** The conversation for the model. System messages at its beginning become one, as most templates know only one. */
export function conversation(instructions: string | undefined, items: readonly Item[]): ChatMessage[] {
  const messages: ChatMessage[] = instructions ? [{ role: 'system', content: instructions }] : [];
  /** The assistant's turn that goes on. */
  let turn: { -readonly [Key in keyof ChatMessage]: ChatMessage[Key] } | undefined;
  const begin = () => {
    turn = { role: 'assistant', content: '' };
    messages.push(turn);
    return turn;
  };
  for (const item of items) {
    if (item.type === 'reasoning') {
      const own = !turn || turn.content || turn.toolCalls ? begin() : turn;
      own.thinking =
        (own.thinking ?? '') + [...(item.content ?? []), ...item.summary].map(({ text }) => text).join('\n');
    } else if (item.type === 'function_call') {
      const own = turn ?? begin();
      const calls = (own.toolCalls as ToolCall[] | undefined) ?? [];
      calls.push(toolCall(item.name, item.arguments, item.call_id));
      own.toolCalls = calls;
    } else if (item.type === 'message' && item.role === 'assistant') {
      const own = !turn || turn.content || turn.toolCalls ? begin() : turn;
      own.content = item.content.map(({ text }) => text).join('');
    } else if (item.type === 'message') {
      turn = undefined;
      const role = item.role === 'user' ? 'user' : 'system';
      const content = item.content.map(({ text }) => text).join('');
      if (role === 'system' && messages.length === 1 && messages[0].role === 'system')
        messages[0] = { role, content: `${messages[0].content}\n\n${content}` };
      else messages.push({ role, content });
    } else {
      turn = undefined;
      messages.push({ role: 'tool', content: item.output, toolCallId: item.call_id });
    }
  }
  return messages;
}
