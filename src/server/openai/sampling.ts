/** OpenAI's names for the settings of generation, in ours. */
import type { GenerateOptions, Model } from '../../generate/api.js';
import { invalidValue } from '../fields.js';
import type { SamplingRequest } from './schema.js';

/** Settings that the request gives; the model's defaults fill in the rest. Throws HttpError 400. */
export function generateOptions(request: SamplingRequest, model: Model): GenerateOptions {
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
    stop: request.stop ?? undefined,
    logitBias: request.logit_bias ? logitBias(request.logit_bias, model.info.vocabSize) : undefined,
    timeoutMs: request.timeout ? Math.ceil(request.timeout * 1000) : undefined,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Throws HttpError 400 if a request asks for more answers than one may. */
export function checkChoices(n: number, maxChoices: number, prompts = 1): void {
  if (prompts * n <= maxChoices) return;
  throw invalidValue(prompts > maxChoices ? 'prompt' : 'n', `one request may ask for at most ${maxChoices} answers`);
}

/** The seed of answer `index`: the answers to one request shall differ, and be the same each time. */
export function seedOf(request: SamplingRequest, index: number): { seed?: number } {
  if (request.seed === undefined || request.seed === null) return {};
  return { seed: Number(BigInt.asUintN(32, BigInt(request.seed) + BigInt(index))) };
}

function logitBias(given: Readonly<Record<string, number>>, vocabSize: number): Record<number, number> {
  for (const id of Object.keys(given)) {
    if (Number(id) >= vocabSize)
      throw invalidValue('logit_bias', `token id ${id} is outside the vocabulary of ${vocabSize}`);
  }
  return Object.fromEntries(Object.entries(given).map(([id, bias]) => [Number(id), bias]));
}
