/**
 * The request bodies of Anthropic's Messages API as far as they are supported, and the fields refused because leaving
 * them out would change the answer's meaning. All other fields are ignored; docs/protocols.md is this file in prose.
 */
import { z } from 'zod';
import { isObject, jsonObject, list, nonEmpty, parseBody, type Refusals } from '../fields.js';
import { HttpError } from '../http-error.js';
import { functionName } from '../openai/tools.js';
import { assistantContent, textContent, userContent } from './blocks.js';
import { NO_THREADS } from './errors.js';

const message = z.discriminatedUnion('role', [
  z.object({ role: z.literal('user'), content: userContent }),
  z.object({ role: z.literal('assistant'), content: assistantContent }),
  z.object({ role: z.literal('system'), content: textContent }),
]);

const tool = z.object({
  type: z.literal('custom', "only tools of your own ('custom') are supported").nullish(),
  name: functionName,
  description: z.string().nullish(),
  input_schema: jsonObject,
  strict: z.boolean().nullish(),
});

const single = z.boolean().nullish();
const toolChoice = z.discriminatedUnion('type', [
  z.object({ type: z.literal('auto'), disable_parallel_tool_use: single }),
  z.object({ type: z.literal('any'), disable_parallel_tool_use: single }),
  z.object({ type: z.literal('tool'), name: z.string(), disable_parallel_tool_use: single }),
  z.object({ type: z.literal('none') }),
]);

const display = z.enum(['summarized', 'omitted']).nullish();
const thinking = z.discriminatedUnion('type', [
  z.object({ type: z.literal('enabled'), budget_tokens: z.int().min(1), display }),
  z.object({ type: z.literal('adaptive'), display }),
  z.object({ type: z.literal('disabled') }),
]);

const format = z.object({ type: z.literal('json_schema'), schema: jsonObject });

const prompt = {
  model: z.string(),
  messages: list(message, 'expected an array of messages').refine(
    (all) => all.length > 0,
    'expected at least one message',
  ),
  system: textContent.nullish(),
  tools: list(tool, 'expected an array of tools')
    .refine((all) => all.length <= 128, 'expected at most 128 tools')
    .nullish(),
  tool_choice: toolChoice.nullish(),
  thinking: thinking.nullish(),
  output_config: z
    .object({ format: format.nullish(), effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish() })
    .nullish(),
  /** Its name before `output_config`. */
  output_format: format.nullish(),
};

export const countRequest = z.object(prompt);

export const messageRequest = z.object({
  ...prompt,
  max_tokens: z.int().min(1),
  stop_sequences: list(z.string().min(1).max(1000), 'expected an array of strings')
    .refine((all) => all.length <= 64, 'expected at most 64 strings')
    .nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
});

export type CountRequest = z.infer<typeof countRequest>;
export type MessageRequest = z.infer<typeof messageRequest>;

const refused: Refusals = {
  container: [nonEmpty, 'containers and skills are not supported'],
  mcp_servers: [nonEmpty, 'MCP servers are not called'],
  context_management: [
    (value) => !isObject(value) || Object.keys(value).length > 0,
    'editing the conversation is not supported',
  ],
  thinking: [(value) => isObject(value) && value.type === 'between_tools', "the type 'between_tools' is not supported"],
};

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export function parseMessage(body: unknown): MessageRequest {
  if (isObject(body) && body.thread !== undefined && body.thread !== null) {
    const message = 'This server keeps no conversations: send all messages, without `thread`.';
    throw new HttpError(400, NO_THREADS, message, { param: 'thread' });
  }
  return parseBody(messageRequest, body, refused);
}
/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseCount = (body: unknown): CountRequest => parseBody(countRequest, body, refused);
