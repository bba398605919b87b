/**
 * Multiple choice by likelihood: which answer does the model find likeliest after the question? Either the letters are
 * compared, as MMLU does, or the answers themselves, each by its log-likelihood a byte, so that length does not count.
 */
import type { Model } from '../generate/api.js';
import type { Item } from './item.js';
import { letter } from './item.js';
import { documentStart } from './perplexity.js';
import { continuation, conversation, type PromptSettings } from './prompts.js';

export interface ChooseSettings extends PromptSettings {
  raw?: boolean;
  think?: boolean;
  adapter?: string;
  choose?: 'letters' | 'answers';
}

export interface Chosen {
  /** The index of the likeliest choice. */
  choice: number;
  /** Log-likelihood of each: of its letter, or of its answer a byte. */
  scores: number[];
}

/** Throws KaiwenError 'context_overflow' where the question does not fit. */
export async function choose(
  model: Model,
  item: Item,
  choices: readonly string[],
  settings: ChooseSettings,
): Promise<Chosen> {
  const { raw, adapter, choose: by = 'letters' } = settings;
  const { tokenizer, engine } = model;
  const asked = by === 'letters' ? item : { ...item, ...withoutChoices(item) };
  const prompt = raw
    ? [...documentStart(tokenizer), ...tokenizer.encode(continuation(asked, settings))]
    : model.prompt(conversation(asked, settings), { think: settings.think, adapter });
  const scores: number[] = [];
  for (const [i, choice] of choices.entries()) {
    const text = (raw ? ' ' : '') + (by === 'letters' ? letter(i) : choice);
    const ids = tokenizer.encode(text);
    const logprobs = await engine.score([...prompt, ...ids], undefined, adapter, prompt.length);
    const sum = logprobs.reduce((a, b) => a + b, 0);
    scores.push(by === 'letters' ? sum : sum / Buffer.byteLength(text));
  }
  return { choice: scores.indexOf(Math.max(...scores)), scores };
}

/** The bare question: answers that are compared must not stand in it. */
function withoutChoices({ task, language, messages }: Item): Pick<Item, 'messages' | 'raw'> {
  if (task.kind !== 'choice') return { messages, raw: '' };
  const cue = language?.startsWith('zh') ? '答案：' : 'Answer:';
  return { messages: [{ role: 'user', content: task.question }], raw: `${task.question}\n${cue}` };
}
