/**
 * From the engine's tokens to events of text. Each token's log-probability comes with the event that shows the last of
 * its text, once.
 */
import { KaiwenError } from '../errors.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { AnswerReader, type Parts, type Piece } from './answer-reader.js';
import type { AnswerEnd, TextEvent, TokenLogprob } from './api.js';
import type { DoneEvent, Engine, GenerateRequest, TokenEvent } from './engine.js';

export interface StreamOptions extends Parts {
  signal?: AbortSignal;
}

export async function* streamText(
  engine: Engine,
  tokenizer: Tokenizer,
  request: GenerateRequest,
  { signal, ...parts }: StreamOptions,
): AsyncGenerator<TextEvent> {
  const reader = new AnswerReader(tokenizer, parts);
  // Leaving the loop ends a generation too, but then it says nothing more of itself.
  const cancel = parts.stop?.length ? new AbortController() : undefined;
  const pending = new PendingLogprobs();
  let completionTokens = 0;
  let done: DoneEvent | undefined;
  let last: Piece | undefined;

  const events = (pieces: Piece[]): TextEvent[] => {
    if (pieces.length === 0) return pieces;
    last = pieces[pieces.length - 1];
    const logprobs = pending.take(reader.held);
    if (logprobs.length === 0) return pieces;
    return pieces.map((piece, i) => (i === 0 ? { ...piece, logprobs } : piece));
  };

  const either = signal && cancel ? AbortSignal.any([signal, cancel.signal]) : (cancel?.signal ?? signal);
  for await (const event of engine.generate(request, either)) {
    if (event.type === 'done') {
      done = event;
      break;
    }
    if (reader.stop !== undefined) continue; // on their way when the engine was told to stop
    completionTokens++;
    const { taken } = reader;
    const pieces = reader.push(event.id);
    if (event.logprob !== undefined) pending.add(tokenLogprob(tokenizer, event, event.logprob), reader.taken - taken);
    yield* events(pieces);
    if (reader.stop !== undefined) cancel?.abort();
  }
  if (!done) throw new KaiwenError('internal', 'The engine ended an answer without saying why.');

  if (reader.stop === undefined) {
    yield* events(reader.end(done.reason !== 'stop'));
    const left = reader.stop === undefined ? pending.take(0, true) : [];
    if (left.length > 0) yield { ...nothingMore(last), logprobs: left };
  }
  const ended =
    reader.stop !== undefined ? { reason: 'stop' as const, stop: reader.stop } : { reason: end(done, reader) };
  const thinkingTokens = done.stats.thinkingTokens ?? reader.thinkingTokens;
  yield { type: 'done', ...ended, stats: { ...done.stats, completionTokens, thinkingTokens } };
}

function end({ reason }: DoneEvent, { calls }: AnswerReader): AnswerEnd {
  return reason === 'stop' && calls > 0 ? 'tool_calls' : reason;
}

/** An empty piece of what came last. */
function nothingMore(last: Piece | undefined): Piece {
  if (last?.type === 'tool_call' || last?.type === 'tool_arguments') {
    return { type: 'tool_arguments', index: last.index, text: '' };
  }
  return { type: 'text', text: '' };
}

/** Log-probabilities of tokens whose text has not been shown yet. */
class PendingLogprobs {
  #queue: { logprob: TokenLogprob; length: number }[] = [];

  add(logprob: TokenLogprob, length: number): void {
    this.#queue.push({ logprob, length });
  }

  /** Those of which some text is shown when `held` characters at the end are not. `all`: even those without text. */
  take(held: number, all = false): TokenLogprob[] {
    let keep = 0;
    let length = 0;
    while (!all && keep < this.#queue.length) {
      length += this.#queue[this.#queue.length - 1 - keep].length;
      if (length > held) break;
      keep++;
    }
    return this.#queue.splice(0, this.#queue.length - keep).map(({ logprob }) => logprob);
  }
}

function tokenLogprob(tokenizer: Tokenizer, { id, top }: TokenEvent, logprob: number): TokenLogprob {
  const describe = (token: number) => ({
    id: token,
    token: tokenizer.decode([token], { control: true }),
    bytes: [...tokenizer.bytes(token)],
  });
  return {
    ...describe(id),
    logprob,
    top: (top ?? []).map((other) => ({ ...describe(other.id), logprob: other.logprob })),
  };
}
