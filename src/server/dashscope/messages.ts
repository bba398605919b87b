/**
 * The conversation of a request: `messages`, or a `prompt` with the older `history`. Contents are text or lists of
 * parts, each `{text}`; parts that hold anything else (image, audio, video, file) are refused by its name.
 */
import { z } from 'zod';
import type { ChatMessage } from '../../generate/api.js';
import { list } from '../fields.js';
import { toolCall } from '../openai/messages.js';

const part = z.looseObject({ type: z.string().optional(), text: z.string().optional() }).transform((read, context) => {
  if (read.text !== undefined && (read.type === undefined || read.type === 'text')) return read.text;
  const kind = read.type ?? Object.keys(read)[0] ?? 'empty';
  context.addIssue({ code: 'custom', message: `'${kind.slice(0, 100)}' parts are not supported, only text` });
  return z.NEVER;
});

const content = z
  .preprocess(
    (value) => (typeof value === 'string' ? [{ text: value }] : value),
    list(part, 'expected a string or an array of text parts'),
  )
  .transform((texts) => texts.join(''));

const call = z.object({
  id: z.string().max(200).nullish(),
  function: z.object({ name: z.string().min(1).max(200), arguments: z.string().nullish() }),
});

/** `partial`: the answer shall go on with this message of the assistant's. */
type Said = ChatMessage & { partial?: boolean };

const message = z
  .discriminatedUnion(
    'role',
    [
      z.object({ role: z.enum(['system', 'user']), content }),
      z.object({
        role: z.literal('assistant'),
        content: content.nullish(),
        reasoning_content: z.string().nullish(),
        tool_calls: list(call, 'expected an array of tool calls').nullish(),
        partial: z.boolean().nullish(),
      }),
      z.object({
        role: z.literal('tool'),
        content,
        tool_call_id: z.string().max(200).nullish(),
        name: z.string().max(200).nullish(),
      }),
    ],
    { error: 'expected the role system, user, assistant or tool' },
  )
  .transform((read): Said => {
    if (read.role === 'tool') {
      const { content, tool_call_id: toolCallId, name } = read;
      return { role: 'tool', content, ...(toolCallId && { toolCallId }), ...(name && { name }) };
    }
    if (read.role !== 'assistant') return { role: read.role, content: read.content };
    const { content, reasoning_content: thinking, tool_calls, partial } = read;
    const toolCalls = (tool_calls ?? []).map(({ id, function: called }) =>
      toolCall(called.name, called.arguments ?? '', id),
    );
    return {
      role: 'assistant',
      content: content ?? '',
      ...(thinking && { thinking }),
      ...(toolCalls.length > 0 && { toolCalls }),
      ...(partial && { partial }),
    };
  });

const turn = z.object({ user: z.string(), bot: z.string() });

export interface Input {
  messages: ChatMessage[];
  /** The last message is the beginning of the answer. */
  begun: boolean;
}

/** `messages` go before a prompt and its history. */
export const input = z
  .object({
    messages: list(message, 'expected an array of messages').nullish(),
    prompt: z.string().nullish(),
    history: list(turn, 'expected an array of turns').nullish(),
  })
  .transform(({ messages, prompt, history }, context): Input => {
    if (messages?.length) {
      const begun = messages[messages.length - 1].partial === true;
      return { begun, messages: messages.map(({ partial: _, ...message }) => message) };
    }
    if (prompt) {
      const turns = (history ?? []).flatMap(({ user, bot }): ChatMessage[] => [
        { role: 'user', content: user },
        { role: 'assistant', content: bot },
      ]);
      return { begun: false, messages: [...turns, { role: 'user', content: prompt }] };
    }
    context.addIssue({ code: 'custom', message: "expected 'messages' or a 'prompt'" });
    return z.NEVER;
  });
