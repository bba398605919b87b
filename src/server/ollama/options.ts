/** Ollama's options in our terms. */
import type { Json } from '../../formats/checkpoint.js';
import type { ChatOptions, Model } from '../../generate/api.js';
import { invalidValue } from '../fields.js';
import { ANY_OBJECT } from '../openai/format.js';
import { generateOptions, seedOf } from '../openai/sampling.js';
import { thinkingOptions } from '../openai/thinking.js';
import { chosen, type ToolOptions } from '../openai/tools.js';
import { type ChatRequest, type CommonRequest, isSchema } from './schema.js';

/** Settings of an answer; the model's defaults fill in the rest. Throws HttpError 400. */
export function answerOptions(request: CommonRequest, model: Model): ChatOptions {
  const { options, format, think, logprobs } = request;
  const { repeat_penalty: repetition_penalty, num_predict: most, seed, ...rest } = options ?? {};
  if (think && !model.canThink) throw invalidValue('think', `'${model.name}' does not support thinking`);
  const effort = typeof think === 'string' ? think : undefined;
  return {
    ...generateOptions({ ...rest, repetition_penalty }, model),
    // Below zero: any.
    ...(typeof seed === 'number' && seed >= 0 && seedOf({ seed }, 0)),
    ...(typeof most === 'number' && most > 0 && { maxTokens: most }),
    ...thinkingOptions(
      { enable_thinking: effort ? true : (think as boolean | null), reasoning_effort: effort },
      model.canThink,
    ),
    ...(format === 'json' && { format: ANY_OBJECT }),
    ...(isSchema(format) && { format: { type: 'json_schema', schema: format as Json } }),
    ...(logprobs && { logprobs: request.top_logprobs ?? 0 }),
  };
}

/** Throws HttpError 400. */
export function toolOptions({ tools }: ChatRequest): ToolOptions {
  const definitions = (tools ?? []).map((entry) => entry.function);
  return chosen(definitions, 'auto', true, 'tools');
}
