/**
 * What chat and text completions share: the choices of one request run side by side (the engine computes their common
 * prompt once), their usage is added up, and the result goes out as one JSON object or as a stream of chunks.
 */
import type { AnswerEnd, TextEvent } from '../../generate/api.js';
import type { GenerateStats } from '../../generate/engine.js';
import type { Call } from '../call.js';
import { sse, streamResponse } from '../stream.js';
import { errorBody } from './errors.js';
import { merge } from './merge.js';

export type End = Exclude<AnswerEnd, 'aborted'>;
type Said = Exclude<TextEvent, { type: 'done' | 'tool_call' | 'tool_arguments' }>;

/**
 * `start` comes before each choice's first event; `choice` is its index, `prompt` which of the request's prompts it
 * answers. `call` counts a choice's calls.
 */
export type ChoiceEvent = { choice: number } & (
  | { type: 'start'; prompt: number }
  | Said
  | { type: 'tool_call'; call: number; id: string; name: string }
  | { type: 'tool_arguments'; call: number; text: string }
  | { type: 'finish'; reason: End }
);

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
  completion_tokens_details: { reasoning_tokens: number };
}

type Generate = (prompt: number, index: number, signal: AbortSignal | undefined) => AsyncIterable<TextEvent>;

/** `n` answers to each of `prompts` prompts. */
export class Answer {
  readonly #prompts: number;
  readonly #n: number;
  readonly #generate: Generate;
  readonly usage: Usage = {
    prompt_tokens: 0,
    completion_tokens: 0,
    total_tokens: 0,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };

  /** `generate` makes the events of one answer, until its signal where it has one. */
  constructor(prompts: number, n: number, generate: Generate) {
    this.#prompts = prompts;
    this.#n = n;
    this.#generate = generate;
  }

  /** Leaving the loop stops all answers; so does an error of one. */
  async *events(): AsyncGenerator<ChoiceEvent> {
    const count = this.#prompts * this.#n;
    if (count === 1) {
      yield* this.#choice(0, undefined);
      return;
    }
    const stop = new AbortController();
    let over = false;
    try {
      yield* merge(Array.from({ length: count }, (_, index) => this.#choice(index, stop.signal)));
      over = true;
    } finally {
      if (!over) stop.abort();
    }
  }

  async *#choice(choice: number, signal: AbortSignal | undefined): AsyncGenerator<ChoiceEvent> {
    const prompt = Math.floor(choice / this.#n);
    let started = false;
    for await (const event of this.#generate(prompt, choice, signal)) {
      // The first event tells that the request is valid; before it nothing may go out.
      if (!started) yield { type: 'start', choice, prompt };
      started = true;
      if (event.type === 'done') {
        this.#count(event.stats, choice % this.#n === 0);
        yield { type: 'finish', choice, reason: event.reason as End };
      } else if (event.type === 'tool_call') {
        yield { type: 'tool_call', choice, call: event.index, id: event.id, name: event.name };
      } else if (event.type === 'tool_arguments') {
        yield { type: 'tool_arguments', choice, call: event.index, text: event.text };
      } else yield { ...event, choice };
    }
  }

  /** A prompt counts once, however many answers it gets. */
  #count(stats: GenerateStats, firstOfPrompt: boolean): void {
    const { usage } = this;
    if (firstOfPrompt) {
      usage.prompt_tokens += stats.promptTokens;
      usage.prompt_tokens_details.cached_tokens += stats.cachedTokens;
    }
    usage.completion_tokens += stats.completionTokens;
    usage.completion_tokens_details.reasoning_tokens += stats.thinkingTokens ?? 0;
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
  }
}

/**
 * `finish_reason`, in values that all clients know. What cut an answer short besides its length is told apart by
 * `stop_reason`, which is not OpenAI's.
 */
export function finish(reason: End): { finish_reason: string; stop_reason?: string } {
  if (reason === 'repetition' || reason === 'timeout') return { finish_reason: 'length', stop_reason: reason };
  return { finish_reason: reason };
}

/** Sends `chunks` as a stream that ends with [DONE]. */
export function streamChunks(chunks: AsyncGenerator<object>, call: Call): Promise<Response> {
  async function* frames(): AsyncGenerator<string> {
    for await (const chunk of chunks) yield sse(JSON.stringify(chunk));
    yield sse('[DONE]');
  }
  return streamResponse(call, frames(), { onError: (error) => sse(JSON.stringify(errorBody(error))) });
}
