/**
 * From an answer's tokens to what it says: whole characters only, thinking apart, calls of tools apart, stop strings
 * cut off. Stop strings are looked for in the answer's text, not in thinking and not in calls.
 */
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { StopMatcher } from './stop.js';
import { END_THINK, THINK, type Piece as ThinkingPiece, type ThinkingSplitter } from './thinking.js';
import { CLOSE, OPEN } from './tools/call-reader.js';
import type { AnswerPiece, CallSplitter } from './tools/call-splitter.js';

export interface Parts {
  /** Absent: nothing is thinking. */
  thinking?: ThinkingSplitter;
  /** Absent: nothing is a call. */
  calls?: CallSplitter;
  stop?: readonly string[];
}

export type Piece = ThinkingPiece | AnswerPiece;

export class AnswerReader {
  /** Characters taken so far. */
  taken = 0;
  /** Tokens between the tags of thinking. */
  thinkingTokens = 0;
  readonly #decode: { push(id: number): string; end(): string };
  readonly #marks: ReadonlyMap<number, typeof THINK | typeof END_THINK>;
  readonly #matcher: StopMatcher;
  readonly #thinking?: ThinkingSplitter;
  readonly #calls?: CallSplitter;

  constructor(tokenizer: Tokenizer, { thinking, calls, stop = [] }: Parts) {
    const tags = [...(thinking ? [THINK, END_THINK] : []), ...(calls ? [OPEN, CLOSE] : [])];
    this.#decode = textDecoder(tokenizer, tags);
    this.#marks = thinking ? thinkingMarks(tokenizer) : new Map();
    this.#matcher = new StopMatcher(stop);
    this.#thinking = thinking;
    this.#calls = calls;
  }

  /** The stop string that has ended the answer: what follows is nothing. */
  get stop(): string | undefined {
    return this.#matcher.found;
  }

  /** Characters at the end of those taken that are not shown: not yet, or cut off. */
  get held(): number {
    return (this.#thinking?.held ?? 0) + (this.#calls?.held ?? 0) + this.#matcher.held;
  }

  /** How many calls the answer holds. */
  get calls(): number {
    return this.#calls?.calls ?? 0;
  }

  push(id: number): Piece[] {
    const thought = this.#thinking?.thinking === true;
    const text = this.#decode.push(id);
    const mark = this.#marks.get(id);
    let pieces: Piece[];
    if (mark !== undefined) {
      // Bytes of half a character may come out before the tag.
      const before = text.slice(0, text.length - mark.length);
      pieces = this.#take(before);
      if (!this.#thinking!.mark(mark)) pieces.push(...this.#take(mark));
    } else pieces = this.#take(text);
    if (thought && this.#thinking?.thinking) this.thinkingTokens++;
    return pieces;
  }

  /** The answer has ended; `cut`: before the model ended it. */
  end(cut: boolean): Piece[] {
    const pieces = [...this.#take(this.#decode.end()), ...this.#after(this.#thinking?.end() ?? [])];
    if (this.#calls && !this.stop) pieces.push(...this.#shown(this.#calls.end(cut)));
    const rest = this.#matcher.end();
    return rest === '' ? pieces : [...pieces, { type: 'text', text: rest }];
  }

  #take(text: string): Piece[] {
    if (text === '') return [];
    this.taken += text.length;
    return this.#after(this.#thinking ? this.#thinking.push(text) : [{ type: 'text', text }]);
  }

  #after(pieces: readonly ThinkingPiece[]): Piece[] {
    if (pieces.length === 0) return [];
    const calls = this.#calls;
    if (!calls) return this.#shown(pieces);
    return this.#shown(pieces.flatMap((piece): Piece[] => (piece.type === 'text' ? calls.push(piece.text) : [piece])));
  }

  #shown(pieces: readonly Piece[]): Piece[] {
    const shown: Piece[] = [];
    for (const piece of pieces) {
      if (this.stop !== undefined) break;
      if (piece.type === 'text') {
        const text = this.#matcher.push(piece.text);
        if (text !== '') shown.push({ type: 'text', text });
        continue;
      }
      // No stop string reaches over a call.
      const held = piece.type === 'tool_call' ? this.#matcher.end() : '';
      if (held !== '') shown.push({ type: 'text', text: held });
      if (piece.type === 'tool_call' || piece.text !== '') shown.push(piece);
    }
    return shown;
  }
}

/** Ids of the tags of thinking, where both are tokens of their own. */
export function thinkingMarks(tokenizer: Tokenizer): Map<number, typeof THINK | typeof END_THINK> {
  const [start, end] = [THINK, END_THINK].map((tag) => tokenizer.controlTokens.get(tag));
  if (start === undefined || end === undefined) return new Map();
  return new Map([
    [start, THINK],
    [end, END_THINK],
  ]);
}

/** The tags stay in the text even where the tokenizer calls them special. */
function textDecoder(tokenizer: Tokenizer, tags: readonly string[]) {
  const decoder = tokenizer.decoder();
  const hidden = new Map<number, string>();
  for (const tag of tags) {
    const id = tokenizer.controlTokens.get(tag);
    if (id !== undefined && tokenizer.decode([id]) === '') hidden.set(id, tag);
  }
  return {
    push: (id: number) => decoder.push(id) + (hidden.get(id) ?? ''),
    end: () => decoder.end(),
  };
}
