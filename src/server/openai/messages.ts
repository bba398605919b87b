/** The messages of a conversation as OpenAI's chat route has them, turned into ours as they are read. */
import { z } from 'zod';
import type { ChatMessage } from '../../generate/api.js';
import type { ToolCall } from '../../tokenizer/chat-template.js';
import { list } from '../fields.js';

const part = z
  .object({ type: z.string(), text: z.string().optional(), refusal: z.string().optional() })
  .superRefine(({ type, text, refusal }, context) => {
    const complain = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (type === 'refusal' ? refusal === undefined : type === 'text' && text === undefined)
      complain(type, 'expected string');
    else if (type !== 'text' && type !== 'refusal') complain('type', 'only text parts are supported');
  });

/** A string, or text parts that are put together as they are. */
export const content = z
  .preprocess(
    (value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value),
    list(part, 'expected a string or an array of text parts'),
  )
  .transform((parts) => parts.map(({ text, refusal }) => text ?? refusal ?? '').join(''));

const calledFunction = z.object({ name: z.string().min(1).max(200), arguments: z.string() });
const call = z.object({
  id: z.string().max(200).nullish(),
  type: z.literal('function', 'only function calls are supported').optional(),
  function: calledFunction,
});

const system = z.object({ role: z.enum(['system', 'developer']), content });
const user = z.object({ role: z.literal('user'), content });
const assistant = z.object({
  role: z.literal('assistant'),
  content: content.nullish(),
  refusal: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  tool_calls: list(call, 'expected an array of tool calls').nullish(),
  function_call: calledFunction.nullish(),
});
const tool = z.object({ role: z.literal('tool'), content, tool_call_id: z.string().max(200).nullish() });
const legacyResult = z.object({ role: z.literal('function'), content, name: z.string().max(200) });

const message = z
  .discriminatedUnion('role', [system, user, assistant, tool, legacyResult], {
    error: 'expected the role system, developer, user, assistant, tool or function',
  })
  .transform((read): ChatMessage => {
    switch (read.role) {
      case 'system':
      case 'developer':
        return { role: 'system', content: read.content };
      case 'user':
        return { role: 'user', content: read.content };
      case 'tool':
        return { role: 'tool', content: read.content, ...(read.tool_call_id && { toolCallId: read.tool_call_id }) };
      case 'function':
        return { role: 'tool', content: read.content, name: read.name };
      case 'assistant':
        return assistantMessage(read);
    }
  });

function assistantMessage(read: z.infer<typeof assistant>): ChatMessage {
  const thinking = read.reasoning_content ?? read.reasoning;
  const calls = (read.tool_calls ?? []).map(({ id, function: called }) => toolCall(called.name, called.arguments, id));
  if (read.function_call) calls.push(toolCall(read.function_call.name, read.function_call.arguments));
  return {
    role: 'assistant',
    content: read.content || read.refusal || '',
    ...(thinking && { thinking }),
    ...(calls.length > 0 && { toolCalls: calls }),
  };
}

/** A call that an earlier answer made; the text of its arguments is read by the chat layer. */
export function toolCall(name: string, text: string, id?: string | null): ToolCall {
  return { name, arguments: text.trim() === '' ? '{}' : text, ...(id && { id }) };
}

export const messages = list(message, 'expected an array of messages').refine(
  (all) => all.length > 0,
  'expected at least one message',
);
