/** An answer while it comes: pieces are put together and timed, and shown a few dozen times a second at most. */
import type { Delta } from '../api/client.js';
import type { Message } from './types.js';

const SHOW_EVERY_MS = 40;
/** Over a shorter time, how fast the tokens came says more about the network than about the model. */
const SHORTEST_RATE_S = 0.2;

export class IncomingAnswer {
  readonly #show: (change: Partial<Message>) => void;
  readonly #asked = performance.now();
  #answer: Pick<Message, 'content' | 'thinking' | 'thinkingMs' | 'toolCalls' | 'finish' | 'notices'> = { content: '' };
  #pieces = 0;
  #first?: number;
  #last?: number;
  #thinkingSince?: number;
  #usage: { promptTokens?: number; completionTokens?: number } = {};
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `show` takes what of the message has changed. */
  constructor(show: (change: Partial<Message>) => void) {
    this.#show = show;
  }

  get finish(): string | undefined {
    return this.#answer.finish;
  }

  get toolCalls() {
    return this.#answer.toolCalls ?? [];
  }

  take(delta: Delta): void {
    const answer = this.#answer;
    const now = performance.now();
    if (delta.type === 'thinking' || delta.type === 'text' || delta.type === 'call') {
      this.#pieces++;
      this.#first ??= now;
      this.#last = now;
    }
    if (delta.type === 'thinking') {
      this.#thinkingSince ??= now;
      answer.thinking = (answer.thinking ?? '') + delta.text;
    } else if (delta.type === 'text') {
      this.#endThinking(now);
      answer.content += delta.text;
    } else if (delta.type === 'call') {
      this.#endThinking(now);
      const calls = [...(answer.toolCalls ?? [])];
      const { id, name, arguments: more } = delta.call;
      const before = calls[delta.index];
      calls[delta.index] = before ? { ...before, arguments: before.arguments + more } : { id, name, arguments: more };
      answer.toolCalls = calls.filter(Boolean);
    } else if (delta.type === 'notice') answer.notices = [...(answer.notices ?? []), delta.text];
    else if (delta.type === 'finish') answer.finish = delta.reason;
    else this.#usage = delta.usage;
    this.#timer ??= setTimeout(() => this.#flush(), SHOW_EVERY_MS);
  }

  /** Shows the rest and how it ended. */
  end(how: Pick<Message, 'state' | 'failure'>): void {
    this.#endThinking(performance.now());
    clearTimeout(this.#timer);
    const { promptTokens, completionTokens = this.#pieces } = this.#usage;
    const seconds = ((this.#last ?? 0) - (this.#first ?? 0)) / 1000;
    const firstMs = this.#first === undefined ? undefined : this.#first - this.#asked;
    // The first token's time is that of reading the prompt.
    const tokensPerSecond =
      completionTokens > 1 && seconds >= SHORTEST_RATE_S ? (completionTokens - 1) / seconds : undefined;
    this.#show({ ...this.#answer, ...how, stats: { firstMs, tokensPerSecond, promptTokens, completionTokens } });
  }

  #flush(): void {
    this.#timer = undefined;
    this.#show({ ...this.#answer });
  }

  #endThinking(now: number): void {
    if (this.#thinkingSince === undefined || this.#answer.thinkingMs !== undefined) return;
    this.#answer.thinkingMs = now - this.#thinkingSince;
  }
}
