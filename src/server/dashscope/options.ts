/** DashScope's parameters in our terms. */
import type { ChatOptions, Model } from '../../generate/api.js';
import { invalidValue } from '../fields.js';
import { outputFormat } from '../openai/format.js';
import { generateOptions } from '../openai/sampling.js';
import { thinkingOptions } from '../openai/thinking.js';
import { toolOptions } from '../openai/tools.js';
import type { Parameters } from './schema.js';

/** From here up, and without a value, top_k counts as switched off, as documented. */
const TOP_K_OFF = 100;

/** Settings of an answer; the model's defaults fill in the rest. Throws HttpError 400. */
export function chatOptions(parameters: Parameters, model: Model): ChatOptions {
  const { top_k, stop, logprobs, top_logprobs, max_tokens: maxTokens, ...rest } = parameters;
  if (top_logprobs && !logprobs) throw invalidValue('parameters.top_logprobs', "it needs 'logprobs' to be true");
  const topK = typeof top_k === 'number' && top_k > TOP_K_OFF ? 0 : top_k;
  const format = outputFormat(rest);
  const stops = stop?.map((one) => (typeof one === 'string' ? one : model.detokenize(one))).filter(Boolean);
  return {
    ...generateOptions({ ...rest, top_k: topK, stop: stops }, model),
    // Documented so: one call an answer, unless asked otherwise.
    ...toolOptions({ ...rest, parallel_tool_calls: parameters.parallel_tool_calls ?? false }),
    ...thinkingOptions(rest, model.canThink),
    ...(format && { format }),
    ...(maxTokens && { maxTokens }),
    ...(logprobs && { logprobs: top_logprobs ?? 0 }),
  };
}
