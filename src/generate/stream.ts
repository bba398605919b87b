/**
 * From the engine's tokens to events of text: whole characters only, thinking split from the answer, stop strings
 * cut off. Stop strings are looked for in the answer, not in the thinking. Each token's log-probability comes with
 * the event that shows the last of its text, once.
 */
import { KaiwenError } from '../errors.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { TextEvent, TokenLogprob } from './api.js';
import type { DoneEvent, Engine, GenerateRequest, TokenEvent } from './engine.js';
import { StopMatcher } from './stop.js';
import type { Piece, ThinkingSplitter } from './thinking.js';

export interface StreamOptions {
  stop?: readonly string[];
  /** Splits thinking off; absent: all text is answer. */
  splitter?: ThinkingSplitter;
  signal?: AbortSignal;
}

export async function* streamText(
  engine: Engine,
  tokenizer: Tokenizer,
  request: GenerateRequest,
  { stop = [], splitter, signal }: StreamOptions,
): AsyncGenerator<TextEvent> {
  const matcher = new StopMatcher(stop);
  const decode = textDecoder(tokenizer, splitter !== undefined);
  // Leaving the loop ends a generation too, but then it says nothing more of itself.
  const cancel = stop.length > 0 ? new AbortController() : undefined;
  const pending = new PendingLogprobs();
  let completionTokens = 0;
  let done: DoneEvent | undefined;

  const show = (pieces: Piece[]): Piece[] =>
    pieces
      .map((piece) => (piece.type === 'text' ? { ...piece, text: matcher.push(piece.text) } : piece))
      .filter((piece) => piece.text !== '');
  const take = (text: string): Piece[] => show(splitter ? splitter.push(text) : [{ type: 'text', text }]);
  const events = (pieces: Piece[]): TextEvent[] => {
    if (pieces.length === 0) return [];
    const logprobs = pending.take((splitter?.held ?? 0) + matcher.held);
    return pieces.map((piece, i) => (i === 0 && logprobs.length > 0 ? { ...piece, logprobs } : piece));
  };

  const either = signal && cancel ? AbortSignal.any([signal, cancel.signal]) : (cancel?.signal ?? signal);
  for await (const event of engine.generate(request, either)) {
    if (event.type === 'done') {
      done = event;
      break;
    }
    if (matcher.stopped) continue; // on their way when the engine was told to stop
    completionTokens++;
    const text = decode.push(event.id);
    if (event.logprob !== undefined) pending.add(tokenLogprob(tokenizer, event, event.logprob), text.length);
    yield* events(take(text));
    if (matcher.stopped) cancel?.abort();
  }
  if (!done) throw new KaiwenError('internal', 'The engine ended an answer without saying why.');

  if (!matcher.stopped) {
    yield* events([...take(decode.end()), ...show(splitter?.end() ?? []), ...rest(matcher)]);
    const left = matcher.stopped ? [] : pending.take(0, true);
    if (left.length > 0) yield { type: 'text', text: '', logprobs: left };
  }
  const ended = matcher.stopped ? { reason: 'stop' as const, stop: matcher.found } : { reason: done.reason };
  yield { type: 'done', ...ended, stats: { ...done.stats, completionTokens } };
}

function rest(matcher: StopMatcher): Piece[] {
  const text = matcher.end();
  return text ? [{ type: 'text', text }] : [];
}

/** Thinking tags stay in the text even where the tokenizer calls them special. */
function textDecoder(tokenizer: Tokenizer, tags: boolean) {
  const decoder = tokenizer.decoder();
  const hidden = new Map<number, string>();
  for (const tag of tags ? ['<think>', '</think>'] : []) {
    const id = tokenizer.controlTokens.get(tag);
    if (id !== undefined && tokenizer.decode([id]) === '') hidden.set(id, tag);
  }
  return {
    push: (id: number) => decoder.push(id) + (hidden.get(id) ?? ''),
    end: () => decoder.end(),
  };
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
