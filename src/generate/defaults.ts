/** What a model's generation_config.json says about sampling and about where an answer ends. */
import type { JsonObject } from '../formats/checkpoint.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { SamplingParams } from './engine.js';

/** Ours, where the model is silent: what Qwen recommends for chat. */
export const SAMPLING_DEFAULTS: SamplingParams = {
  temperature: 0.7,
  topK: 20,
  topP: 0.8,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

/** Control tokens that end a turn or a document in the families that Kaiwen runs. */
const ENDS = ['<|im_end|>', '<|endoftext|>', '<|eot_id|>', '<|eom_id|>', '<|end_of_text|>'];

/** `do_sample: false` is greedy, whatever else the file says. Values out of range are passed over. */
export function samplingDefaults(config: JsonObject): SamplingParams {
  const read = (field: string, low: number, high: number) => {
    const value = config[field];
    return typeof value === 'number' && value >= low && value <= high ? value : undefined;
  };
  const found: Partial<SamplingParams> = {
    temperature: config.do_sample === false ? 0 : read('temperature', 0, 100),
    topK: read('top_k', 0, 2 ** 31),
    topP: read('top_p', 0, 1),
    minP: read('min_p', 0, 1),
    repetitionPenalty: read('repetition_penalty', 0.01, 100),
    presencePenalty: read('presence_penalty', -100, 100),
    frequencyPenalty: read('frequency_penalty', -100, 100),
  };
  const params = { ...SAMPLING_DEFAULTS, ...defined(found) };
  return { ...params, topK: Math.trunc(params.topK) };
}

/** Ids that end an answer: those the configuration names (one or many), the tokenizer's, and the usual control tokens. */
export function stopTokens(tokenizer: Tokenizer, ...configs: readonly JsonObject[]): number[] {
  const named = configs.flatMap(({ eos_token_id: id }) => (Array.isArray(id) ? id : [id]));
  const ids = named.filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);
  const known = ENDS.map((text) => tokenizer.controlTokens.get(text)).filter((id) => id !== undefined);
  return [...new Set([...ids, ...tokenizer.eosTokens, ...known])];
}

/** Without the fields that are undefined, so that they do not hide defaults. */
export function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
