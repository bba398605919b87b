/**
 * What chat and text completions share: the choices of one request run in turn, their usage is added up, and the
 * result goes out as one JSON object or as a stream of chunks.
 */
import type { TextEvent, TokenLogprob } from '../../generate/api.js';
import type { FinishReason } from '../../generate/engine.js';
import type { Service } from '../app.js';
import { HttpError } from '../http-error.js';
import type { Ticket } from '../lifecycle.js';
import { eventStream, firstWithin } from '../sse.js';
import type { Totals } from '../stats.js';
import { errorBody } from './errors.js';

/** `start` comes before each choice's first event. `prompt`: which of the request's prompts the choice answers. */
export type ChoiceEvent =
  | { type: 'start'; index: number; prompt: number }
  | { type: 'text'; index: number; text: string; logprobs?: TokenLogprob[] }
  | { type: 'thinking'; index: number; text: string }
  | { type: 'notice'; index: number; message: string }
  | { type: 'finish'; index: number; reason: Exclude<FinishReason, 'aborted'> };

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** `n` answers to each of `prompts` prompts, added to `totals`. Throws the signal's reason if it aborts. */
export class Answer {
  readonly #totals: Totals;
  readonly #prompts: number;
  readonly #n: number;
  readonly #generate: (prompt: number, index: number, signal: AbortSignal) => AsyncIterable<TextEvent>;
  readonly usage: Usage = {
    prompt_tokens: 0,
    completion_tokens: 0,
    total_tokens: 0,
    prompt_tokens_details: { cached_tokens: 0 },
  };

  constructor(
    totals: Totals,
    prompts: number,
    n: number,
    generate: (prompt: number, index: number, signal: AbortSignal) => AsyncIterable<TextEvent>,
  ) {
    this.#totals = totals;
    this.#prompts = prompts;
    this.#n = n;
    this.#generate = generate;
  }

  async *events(signal: AbortSignal): AsyncGenerator<ChoiceEvent> {
    for (let index = 0; index < this.#prompts * this.#n; index++) {
      const prompt = Math.floor(index / this.#n);
      signal.throwIfAborted();
      let started = false;
      let finished = false;
      for await (const event of this.#read(prompt, index, signal)) {
        // The first event tells that the request is valid; before it nothing may go out.
        if (!started) yield { type: 'start', index, prompt };
        started = true;
        if (event.type !== 'done') {
          yield { ...event, index } as ChoiceEvent;
          continue;
        }
        this.#totals.add(event.stats);
        if (event.reason === 'aborted') throw signal.reason ?? aborted();
        finished = true;
        this.#count(event.stats, index % this.#n === 0);
        yield { type: 'finish', index, reason: event.reason };
      }
      if (!finished) throw signal.reason ?? aborted();
    }
  }

  async *#read(prompt: number, index: number, signal: AbortSignal): AsyncGenerator<TextEvent> {
    try {
      yield* this.#generate(prompt, index, signal);
    } catch (error) {
      // Whatever an engine throws on the way down, the cause is that it was told to stop.
      signal.throwIfAborted();
      throw error;
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

function aborted(): HttpError {
  return new HttpError(503, 'generation_stopped', 'Generation was stopped before the answer was complete.');
}

/** Sends `chunks` as a stream that ends with [DONE]; the ticket leaves with its last byte. */
export async function streamChunks(
  chunks: AsyncGenerator<object>,
  ticket: Ticket,
  { keepAliveMs, report }: Service,
): Promise<Response> {
  async function* payloads(): AsyncGenerator<string> {
    try {
      for await (const chunk of chunks) yield JSON.stringify(chunk);
      yield '[DONE]';
    } finally {
      ticket.leave();
    }
  }
  const source = await firstWithin(payloads(), keepAliveMs);
  return eventStream(source, {
    keepAliveMs,
    onCancel: ticket.cancel,
    onError: (error) => {
      report(error);
      return JSON.stringify(errorBody(error));
    },
  });
}
