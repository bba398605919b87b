/** The body of `POST /v1/responses` as far as it is supported; docs/protocols.md is this file in prose. */
import { z } from 'zod';
import { jsonObject, list, nonEmpty, parseBody, type Refusals } from '../../fields.js';
import { metadata } from '../fields.js';
import { samplingFields, truncation } from '../schema.js';
import { efforts, thinkingFields } from '../thinking.js';
import { few, functionName } from '../tools.js';
import { type Item, itemId } from './items.js';

const textTypes = ['input_text', 'output_text', 'text', 'summary_text', 'reasoning_text'];
const part = z
  .object({ type: z.string(), text: z.string().optional(), refusal: z.string().optional() })
  .superRefine(({ type, text, refusal }, context) => {
    const complain = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (type === 'refusal' && refusal === undefined) complain('refusal', 'expected string');
    else if (textTypes.includes(type) && text === undefined) complain('text', 'expected string');
    else if (type !== 'refusal' && !textTypes.includes(type)) complain('type', 'only text parts are supported');
  })
  .transform(({ text, refusal }) => text ?? refusal ?? '');

const parts = list(part, 'expected a string or an array of text parts');
const content = z.preprocess((value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value), parts);

const message = z.object({
  type: z.literal('message').default('message'),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
});
const functionCall = z.object({
  type: z.literal('function_call'),
  call_id: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  arguments: z.string(),
});
const functionCallOutput = z.object({
  type: z.literal('function_call_output'),
  call_id: z.string().min(1).max(200),
  output: content,
});
const reasoning = z.object({ type: z.literal('reasoning'), summary: parts.nullish(), content: parts.nullish() });
const reference = z.object({ type: z.literal('item_reference'), id: z.string().max(200) });

const item = z.preprocess(
  // A message may leave its type out, a reference too.
  (value) => {
    if (typeof value !== 'object' || value === null || 'type' in value) return value;
    return { type: 'role' in value ? 'message' : 'item_reference', ...value };
  },
  z.discriminatedUnion('type', [message, functionCall, functionCallOutput, reasoning, reference], {
    error: 'expected a message, function_call, function_call_output, reasoning or item_reference',
  }),
);
export type InputItem = z.infer<typeof item>;

const tool = z.object({
  type: z.literal('function', 'only functions are supported'),
  name: functionName,
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
});
const named = z.object({ type: z.literal('function'), name: z.string() });

const format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    name: z.string().max(200),
    description: z.string().nullish(),
    schema: jsonObject,
    strict: z.boolean().nullish(),
  }),
]);

const { temperature, top_p, top_k, min_p, presence_penalty, frequency_penalty, repetition_penalty, seed, timeout } =
  samplingFields;

export const responseRequest = z.object({
  temperature,
  top_p,
  top_k,
  min_p,
  presence_penalty,
  frequency_penalty,
  repetition_penalty,
  seed,
  timeout,
  enable_thinking: thinkingFields.enable_thinking,
  thinking_budget: thinkingFields.thinking_budget,
  chat_template_kwargs: thinkingFields.chat_template_kwargs,
  model: z.string().nullish(),
  input: z.preprocess(
    (value) => (typeof value === 'string' ? [{ type: 'message', role: 'user', content: value }] : value),
    list(item, 'expected a string or an array of items'),
  ),
  instructions: z.string().nullish(),
  previous_response_id: z.string().max(200).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  include: z.array(z.string().max(200)).max(50).nullish(),
  metadata,
  max_output_tokens: z.int().min(1).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  tools: list(tool, 'expected an array of tools').refine(few, 'expected at most 128 tools').nullish(),
  tool_choice: z
    .union(
      [
        z.enum(['none', 'auto', 'required']),
        named,
        z.object({
          type: z.literal('allowed_tools'),
          mode: z.enum(['auto', 'required']),
          tools: list(named, 'expected an array of tools').refine(few, 'expected at most 128 tools'),
        }),
      ],
      "expected 'none', 'auto', 'required', a function or allowed tools",
    )
    .nullish(),
  text: z.object({ format: format.nullish(), verbosity: z.enum(['low', 'medium', 'high']).nullish() }).nullish(),
  reasoning: z
    .object({
      effort: efforts.nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
      generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  truncation,
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
});
export type ResponseRequest = z.infer<typeof responseRequest>;

const refused: Refusals = {
  background: [nonEmpty, 'work in the background is not supported (see batches)'],
  conversation: [nonEmpty, 'conversations are not supported (see previous_response_id)'],
  prompt: [nonEmpty, 'stored prompts are not supported'],
  context_management: [nonEmpty, 'it is not supported'],
  moderation: [nonEmpty, 'it is not supported'],
};

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseResponseRequest = (body: unknown): ResponseRequest => parseBody(responseRequest, body, refused);

/** An item as it is stored, with an id of response `response`. References are resolved elsewhere. */
export function storedItem(
  given: Exclude<InputItem, { type: 'item_reference' }>,
  response: string,
  index: number,
): Item {
  const id = itemId(given.type, response, 'in', index);
  const common = { id, status: 'completed' as const };
  switch (given.type) {
    case 'message':
      return given.role === 'assistant'
        ? {
            ...common,
            type: 'message',
            role: 'assistant',
            content: given.content.map((text) => ({ type: 'output_text', text, annotations: [], logprobs: [] })),
          }
        : {
            ...common,
            type: 'message',
            role: given.role,
            content: given.content.map((text) => ({ type: 'input_text', text })),
          };
    case 'function_call':
      return { ...common, type: 'function_call', call_id: given.call_id, name: given.name, arguments: given.arguments };
    case 'function_call_output':
      return { ...common, type: 'function_call_output', call_id: given.call_id, output: given.output.join('') };
    case 'reasoning':
      return {
        ...common,
        type: 'reasoning',
        summary: (given.summary ?? []).map((text) => ({ type: 'summary_text', text })),
        content: (given.content ?? []).map((text) => ({ type: 'reasoning_text', text })),
      };
  }
}
