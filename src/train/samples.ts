/** Texts that a model in training writes: the likeliest continuation of each prompt, all computed anew for every token. */
import type { TextSide } from '../data/text-side.js';
import { stopTokens } from '../generate/defaults.js';
import { argmax } from '../generate/filters.js';
import type { Trainable } from './trainable.js';

export interface SampleOptions {
  prompts: readonly string[];
  /** Most tokens of a sample. */
  tokens: number;
  /** Prompts are what a user says. */
  chat: boolean;
  /** Most tokens of prompt and sample. */
  context: number;
}

export interface Sample {
  prompt: string;
  text: string;
}

export function makeSamples(model: Trainable, { tokenizer, template }: TextSide, options: SampleOptions): Sample[] {
  const stops = stopTokens(tokenizer);
  const { vocabSize } = model.definition;
  return options.prompts.map((prompt) => {
    const start = options.chat
      ? template.render([{ role: 'user', content: prompt }]).tokens
      : tokenizer.encode(prompt === '' ? '\n' : prompt);
    const ids = start.slice(-options.context);
    const first = ids.length;
    while (ids.length < Math.min(options.context, first + options.tokens)) {
      const next = argmax(model.logits(Int32Array.from(ids)).subarray(-vocabSize));
      if (stops.includes(next)) break;
      ids.push(next);
    }
    return { prompt, text: tokenizer.decode(ids.slice(first)) };
  });
}
