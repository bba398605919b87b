/**
 * The request bodies of DashScope's generation and embedding routes as far as they are supported, and the parameters
 * refused because leaving them out would change the answer's meaning. All others are ignored; docs/protocols.md is this
 * file in prose.
 */
import { z } from 'zod';
import { invalidValue, isObject, list, nonEmpty, parseBody, type Refusals, refuse } from '../fields.js';
import { formatFields } from '../openai/format.js';
import { thinkingFields } from '../openai/thinking.js';
import { toolFields } from '../openai/tools.js';
import { input } from './messages.js';

/** A text, several, the ids of one, or those of several. */
const stop = z.union(
  [
    z
      .string()
      .min(1)
      .max(1000)
      .transform((text) => [text]),
    z.array(z.string().min(1).max(1000)).max(16),
    z
      .array(z.int().min(0))
      .max(64)
      .transform((ids) => [ids]),
    z.array(z.array(z.int().min(0)).min(1).max(64)).max(16),
  ],
  'expected a string, at most 16 strings, or token ids',
);

const parameters = z.object({
  result_format: z.enum(['text', 'message']).nullish(),
  incremental_output: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().min(0).nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).nullish(),
  stop: stop.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  enable_thinking: thinkingFields.enable_thinking,
  thinking_budget: thinkingFields.thinking_budget,
  response_format: formatFields.response_format,
  tools: toolFields.tools,
  tool_choice: toolFields.tool_choice,
  parallel_tool_calls: toolFields.parallel_tool_calls,
});

export const generationRequest = z.object({ model: z.string().min(1), input, parameters: parameters.nullish() });

export type GenerationRequest = z.infer<typeof generationRequest>;
export type Parameters = NonNullable<GenerationRequest['parameters']>;

const elsewhere = 'it is not supported';
const refused: Refusals = {
  enable_search: [nonEmpty, 'web search is not supported'],
  enable_code_interpreter: [nonEmpty, 'running code is not supported'],
  translation_options: [() => true, elsewhere],
  ocr_options: [() => true, elsewhere],
  asr_options: [() => true, elsewhere],
  modalities: [(value) => !Array.isArray(value) || value.some((kind) => kind !== 'text'), 'only text is supported'],
};

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export function parseGeneration(body: unknown): GenerationRequest {
  if (isObject(body) && isObject(body.parameters)) refuse(body.parameters, refused, 'parameters.');
  return parseBody(generationRequest, body);
}

const texts = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  list(z.string().min(1), 'expected a string or an array of strings').refine(
    (all) => all.length > 0 && all.length <= 25,
    'expected 1 to 25 texts',
  ),
);

export const embeddingRequest = z.object({
  model: z.string().min(1),
  input: z.object({ texts }),
  parameters: z
    .object({
      dimension: z.int().min(1).nullish(),
      output_type: z.literal('dense', "only 'dense' is supported").nullish(),
      text_type: z.enum(['query', 'document']).nullish(),
      instruct: z.string().nullish(),
    })
    .nullish(),
});

export type EmbeddingRequest = z.infer<typeof embeddingRequest>;

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export function parseEmbedding(body: unknown): EmbeddingRequest {
  if (isObject(body) && isObject(body.input) && body.input.url !== undefined)
    throw invalidValue('input.url', 'texts in files are not supported: send them as input.texts');
  return parseBody(embeddingRequest, body);
}
