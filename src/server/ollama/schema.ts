/**
 * The request bodies of Ollama's API as far as they are supported, and the fields refused because leaving them out would
 * change the answer's meaning. All other fields are ignored; docs/protocols.md is this file in prose.
 */
import { z } from 'zod';
import type { Json } from '../../formats/checkpoint.js';
import type { ChatMessage } from '../../generate/api.js';
import { isObject, jsonObject, list, nonEmpty, parseBody, type Refusals } from '../fields.js';
import { functionName } from '../openai/tools.js';

const stop = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  list(z.string().min(1).max(1000), 'expected a string or an array of strings').refine(
    (all) => all.length <= 16,
    'expected at most 16 strings',
  ),
);

const options = z.object({
  /** -1 and -2: as many as the context holds. */
  num_predict: z.int().min(-2).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_k: z.int().min(-1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repeat_penalty: z.number().min(0.01).max(100).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish(),
  stop: stop.nullish(),
});

const common = {
  model: z.string().min(1),
  options: options.nullish(),
  format: z.union([z.enum(['', 'json']), jsonObject], "expected 'json' or a JSON schema").nullish(),
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high'])]).nullish(),
  stream: z.boolean().nullish(),
  truncate: z.boolean().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
};

const call = z.object({
  id: z.string().max(200).nullish(),
  function: z.object({ name: z.string().min(1).max(200), arguments: jsonObject.nullish() }),
});

const message = z
  .object({
    role: z.enum(['system', 'user', 'assistant', 'tool'], 'expected the role system, user, assistant or tool'),
    content: z.string().nullish(),
    thinking: z.string().nullish(),
    images: z.array(z.unknown()).max(0, 'images are not supported').nullish(),
    tool_calls: list(call, 'expected an array of tool calls').nullish(),
    tool_name: z.string().max(200).nullish(),
    tool_call_id: z.string().max(200).nullish(),
  })
  .transform(({ role, content, thinking, tool_calls, tool_name: name, tool_call_id: toolCallId }): ChatMessage => {
    const toolCalls = (tool_calls ?? []).map(({ id, function: called }) => ({
      name: called.name,
      arguments: (called.arguments ?? {}) as Json,
      ...(id && { id }),
    }));
    return {
      role,
      content: content ?? '',
      ...(role === 'assistant' && thinking && { thinking }),
      ...(role === 'assistant' && toolCalls.length > 0 && { toolCalls }),
      ...(role === 'tool' && name && { name }),
      ...(role === 'tool' && toolCallId && { toolCallId }),
    };
  });

const tool = z.object({
  type: z.literal('function', 'only functions are supported'),
  function: z.object({
    name: functionName,
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
    strict: z.boolean().nullish(),
  }),
});

export const chatRequest = z.object({
  ...common,
  messages: list(message, 'expected an array of messages').nullish(),
  tools: list(tool, 'expected an array of tools')
    .refine((all) => all.length <= 128, 'expected at most 128 tools')
    .nullish(),
});

export const generateRequest = z.object({
  ...common,
  prompt: z.string().nullish(),
  system: z.string().nullish(),
  raw: z.boolean().nullish(),
});

export const embedRequest = z.object({
  model: z.string().min(1),
  input: z.preprocess(
    (value) => (typeof value === 'string' ? [value] : value),
    list(z.string(), 'expected a string or an array of strings').refine(
      (all) => all.length <= 2048,
      'expected at most 2048 texts',
    ),
  ),
  truncate: z.boolean().nullish(),
  dimensions: z.int().min(0).nullish(),
});

export const embeddingsRequest = z.object({ model: z.string().min(1), prompt: z.string() });

/** The older name of the field is `name`. */
export const showRequest = z.object({ model: z.string().nullish(), name: z.string().nullish() });

export type CommonRequest = { [Field in keyof typeof common]?: z.infer<(typeof common)[Field]> };
export type ChatRequest = z.infer<typeof chatRequest>;
export type GenerateRequest = z.infer<typeof generateRequest>;

const refused: Refusals = {
  suffix: [nonEmpty, 'filling in the middle is not supported'],
  template: [nonEmpty, 'templates of requests are not supported'],
  images: [nonEmpty, 'images are not supported'],
};

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseChat = (body: unknown): ChatRequest => parseBody(chatRequest, body);
/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseGenerate = (body: unknown): GenerateRequest => parseBody(generateRequest, body, refused);

/** A schema, `json`, or nothing. */
export function isSchema(format: CommonRequest['format']): format is { [key: string]: unknown } {
  return isObject(format);
}
