/**
 * What chat and text completions share: the choices of one request run in turn, their usage is added up, and the
 * result goes out as one JSON object or as a stream of chunks.
 */
import type { AnswerEnd, TextEvent, TokenLogprob } from '../../generate/api.js';
import type { Call } from '../call.js';
import { sse, streamResponse } from '../stream.js';
import { errorBody } from './errors.js';

/** `start` comes before each choice's first event. `prompt`: which of the request's prompts the choice answers. */
export type ChoiceEvent =
  | { type: 'start'; index: number; prompt: number }
  | { type: 'text'; index: number; text: string; logprobs?: TokenLogprob[] }
  | { type: 'thinking'; index: number; text: string }
  | { type: 'notice'; index: number; message: string }
  | { type: 'finish'; index: number; reason: Exclude<AnswerEnd, 'aborted'> };

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** `n` answers to each of `prompts` prompts. */
export class Answer {
  readonly #prompts: number;
  readonly #n: number;
  readonly #generate: (prompt: number, index: number) => AsyncIterable<TextEvent>;
  readonly usage: Usage = {
    prompt_tokens: 0,
    completion_tokens: 0,
    total_tokens: 0,
    prompt_tokens_details: { cached_tokens: 0 },
  };

  constructor(prompts: number, n: number, generate: (prompt: number, index: number) => AsyncIterable<TextEvent>) {
    this.#prompts = prompts;
    this.#n = n;
    this.#generate = generate;
  }

  async *events(): AsyncGenerator<ChoiceEvent> {
    for (let index = 0; index < this.#prompts * this.#n; index++) {
      const prompt = Math.floor(index / this.#n);
      let started = false;
      for await (const event of this.#generate(prompt, index)) {
        // The first event tells that the request is valid; before it nothing may go out.
        if (!started) yield { type: 'start', index, prompt };
        started = true;
        if (event.type === 'done') {
          this.#count(event.stats, index % this.#n === 0);
          yield { type: 'finish', index, reason: event.reason as Exclude<AnswerEnd, 'aborted'> };
        } else yield { ...event, index } as ChoiceEvent;
      }
    }
  }

  /** A prompt counts once, however many answers it gets. */
  #count(stats: Extract<TextEvent, { type: 'done' }>['stats'], firstOfPrompt: boolean): void {
    const { usage } = this;
    if (firstOfPrompt) {
      usage.prompt_tokens += stats.promptTokens;
      usage.prompt_tokens_details.cached_tokens += stats.cachedTokens;
    }
    usage.completion_tokens += stats.completionTokens;
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
  }
}

/** Sends `chunks` as a stream that ends with [DONE]. */
export function streamChunks(chunks: AsyncGenerator<object>, call: Call): Promise<Response> {
  async function* frames(): AsyncGenerator<string> {
    for await (const chunk of chunks) yield sse(JSON.stringify(chunk));
    yield sse('[DONE]');
  }
  return streamResponse(call, frames(), { onError: (error) => sse(JSON.stringify(errorBody(error))) });
}
