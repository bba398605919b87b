/**
 * The request bodies of the two completions routes as far as they are supported, and the fields refused because leaving
 * them out would change the answer's meaning. All other fields are ignored. docs/protocols.md is this file in prose.
 */
import { z } from 'zod';
import { type Fields, isObject, list, nonEmpty, parseBody, type Refusals } from '../fields.js';
import { metadata } from './fields.js';
import { formatFields } from './format.js';
import { messages } from './messages.js';
import { thinkingFields } from './thinking.js';
import { toolFields } from './tools.js';

const ratio = z.number().min(0).max(1).nullish();
const penalty = z.number().min(-2).max(2).nullish();

const stop = z
  .preprocess(
    (value) => (typeof value === 'string' ? [value] : value),
    list(z.string().min(1).max(1000), 'expected a string or an array of strings').refine(
      (all) => all.length <= 4,
      'expected at most 4 strings',
    ),
  )
  .nullish();

const logitBias = z.custom<Record<string, number>>(
  (value) =>
    isObject(value) &&
    Object.entries(value).every(
      ([id, bias]) => /^\d{1,9}$/.test(id) && typeof bias === 'number' && bias >= -100 && bias <= 100,
    ),
  'expected an object from token ids to numbers between -100 and 100',
);

/** How tokens are drawn: what all routes that generate share. */
export const samplingFields = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: ratio,
  top_k: z.int().min(-1).nullish(),
  min_p: ratio,
  presence_penalty: penalty,
  frequency_penalty: penalty,
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  seed: z.int().nullish(),
  stop,
  logit_bias: logitBias.nullish(),
  timeout: z.number().positive().max(86_400).nullish(),
};

const common = {
  ...samplingFields,
  ...formatFields,
  model: z.string().nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
};

export const truncation = z.enum(['auto', 'disabled']).nullish();

export const chatRequest = z.object({
  ...common,
  ...toolFields,
  ...thinkingFields,
  messages,
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  metadata,
  truncation,
});

const prompt = z.union([z.string(), z.custom<number[]>(isTokenIds)], 'expected a string or an array of token ids');

/** One or several texts or lists of token ids. */
export const prompts = z.preprocess(
  promptList,
  list(prompt, 'expected a string, an array of strings, or an array of token ids').refine(
    (all) => all.length > 0,
    'expected at least one prompt',
  ),
);

export const completionRequest = z.object({
  ...common,
  max_tokens: z.int().min(0).nullish(),
  prompt: prompts,
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
});

export function isTokenIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0);
}

/** One prompt becomes a list of one. */
function promptList(value: unknown): unknown {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && typeof value[0] === 'number' ? [value] : value;
}

export type ChatRequest = z.infer<typeof chatRequest>;
export type CompletionRequest = z.infer<typeof completionRequest>;
export type SamplingRequest = { [Field in keyof typeof samplingFields]?: z.infer<(typeof samplingFields)[Field]> };

const alone = 'it is not supported';

const refused: Refusals = {
  modalities: [(value) => !Array.isArray(value) || value.some((kind) => kind !== 'text'), 'only text is supported'],
  audio: [nonEmpty, 'only text is supported'],
  web_search_options: [() => true, 'web search is not supported'],
  suffix: [nonEmpty, 'filling in the middle is not supported'],
  best_of: [
    (value: unknown, body: Fields) => value !== 1 && value !== (body.n ?? 1),
    'choosing among several answers is not supported',
  ],
  use_beam_search: [nonEmpty, 'beam search is not supported'],
  min_tokens: [(value) => value !== 0, alone],
  stop_token_ids: [nonEmpty, alone],
  continue_final_message: [nonEmpty, 'continuing a message is not supported'],
  structural_tag: [nonEmpty, 'structural tags are not supported'],
};

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseChat = (body: unknown): ChatRequest => parseBody(chatRequest, body, refused);
/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseCompletion = (body: unknown): CompletionRequest => parseBody(completionRequest, body, refused);
