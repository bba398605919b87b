/** OpenAI's names for the settings of generation, in ours. */
import type { GenerateOptions, Model } from '../../generate/api.js';
import { HttpError } from '../http-error.js';
import type { CommonRequest } from './schema.js';

/** Settings that the request gives; the model's defaults fill in the rest. Throws HttpError 400. */
export function generateOptions(
  request: CommonRequest,
  model: Model,
  maxChoices: number,
  prompts = 1,
): GenerateOptions {
  if (prompts * (request.n ?? 1) > maxChoices) {
    const message = `Invalid 'n': one request may ask for at most ${maxChoices} answers.`;
    throw new HttpError(400, 'invalid_value', message, { param: prompts > maxChoices ? 'prompt' : 'n' });
  }
  const options: GenerateOptions = {
    temperature: request.temperature ?? undefined,
    // A mass of nothing still keeps the likeliest token.
    topP: request.top_p === 0 ? Number.EPSILON : (request.top_p ?? undefined),
    // Others write -1 for "off".
    topK: request.top_k === -1 ? 0 : (request.top_k ?? undefined),
    minP: request.min_p ?? undefined,
    presencePenalty: request.presence_penalty ?? undefined,
    frequencyPenalty: request.frequency_penalty ?? undefined,
    repetitionPenalty: request.repetition_penalty ?? undefined,
    maxTokens: request.max_tokens ?? undefined,
    stop: request.stop ?? undefined,
    logitBias: request.logit_bias ? logitBias(request.logit_bias, model.info.vocabSize) : undefined,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The seed of answer `index`: the answers to one request shall differ, and be the same each time. */
export function seedOf(request: CommonRequest, index: number): { seed?: number } {
  if (request.seed === undefined || request.seed === null) return {};
  return { seed: Number(BigInt.asUintN(32, BigInt(request.seed) + BigInt(index))) };
}

function logitBias(given: Readonly<Record<string, number>>, vocabSize: number): Record<number, number> {
  for (const id of Object.keys(given)) {
    if (Number(id) < vocabSize) continue;
    const message = `Invalid 'logit_bias': token id ${id} is outside the vocabulary of ${vocabSize}.`;
    throw new HttpError(400, 'invalid_value', message, { param: 'logit_bias' });
  }
  return Object.fromEntries(Object.entries(given).map(([id, bias]) => [Number(id), bias]));
}
