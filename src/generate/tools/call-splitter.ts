/**
 * Splits the stream of an answer, thinking excepted, into text and calls of tools. What only looks like a call is
 * text. Line breaks before a call and between calls belong to the format and are dropped. A call that is cut off is
 * given as far as it came; of one whose name had not come yet nothing is given.
 */
import type { CallFormat } from '../../tokenizer/tool-format.js';
import { overlap } from '../stop.js';
import { type CallPiece, type CallReader, OPEN } from './call-reader.js';
import type { Tool } from './definitions.js';
import { JsonCall } from './json-call.js';
import { XmlCall } from './xml-call.js';

export type AnswerPiece =
  | { type: 'text'; text: string }
  | { type: 'tool_call'; index: number; id: string; name: string }
  | { type: 'tool_arguments'; index: number; text: string };

export class CallSplitter {
  /** Calls so far. */
  calls = 0;
  #reader: CallReader | undefined;
  /** Text that may be the beginning of a call, with the line breaks before it. */
  #held = '';
  /** Line breaks before the call that is being read. */
  #gap = '';
  /** A call came last: line breaks that follow are no text. */
  #skips = false;
  readonly #tools: ReadonlyMap<string, Tool>;

  /** `must`: the answer can only begin with a call. */
  constructor(
    private readonly format: CallFormat,
    tools: readonly Tool[],
    private readonly must = false,
  ) {
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
  }

  /** Characters taken of which nothing was given out yet. */
  get held(): number {
    return this.#reader?.held ?? this.#held.length;
  }

  push(text: string): AnswerPiece[] {
    const pieces: AnswerPiece[] = [];
    let buffer = text;
    while (buffer !== '') {
      if (!this.#reader) {
        buffer = this.#text(this.#held + buffer, pieces);
        continue;
      }
      const reader = this.#reader;
      for (const piece of reader.push(buffer)) pieces.push(this.#piece(piece));
      buffer = reader.rest;
      if (reader.state === 'open') break;
      this.#reader = undefined;
      if (reader.state === 'none') pieces.push({ type: 'text', text: this.#gap + OPEN });
    }
    return merged(pieces);
  }

  /** The answer has ended; `cut`: before the model ended it. */
  end(cut: boolean): AnswerPiece[] {
    const reader = this.#reader;
    this.#reader = undefined;
    const held = this.#held;
    this.#held = '';
    const last = reader?.end().map((piece) => this.#piece(piece));
    if (reader?.named) return last!;
    if (reader) return cut ? [] : [{ type: 'text', text: this.#gap + OPEN + reader.rest }];
    // A lone `<` may be anything; of more it is likelier that a call was to begin.
    const tag = cut ? overlap(held, OPEN) : 0;
    const kept = tag > 1 || (tag === 1 && this.must) ? held.slice(0, -tag).replace(/[\r\n]+$/, '') : held;
    const text = this.#skips ? kept.replace(/^[\r\n]+/, '') : kept;
    return text === '' ? [] : [{ type: 'text', text }];
  }

  /** Shows the text before a call and opens the call; returns what follows its tag. */
  #text(buffer: string, pieces: AnswerPiece[]): string {
    this.#held = '';
    const at = buffer.indexOf(OPEN);
    const end = at >= 0 ? at : buffer.length - overlap(buffer, OPEN);
    let shown = buffer.slice(0, end).replace(/[\r\n]+$/, '');
    const rest = buffer.slice(shown.length);
    if (this.#skips) shown = shown.replace(/^[\r\n]+/, '');
    if (shown !== '') {
      pieces.push({ type: 'text', text: shown });
      this.#skips = false;
    }
    if (at >= 0) {
      const tools = this.#tools;
      this.#reader =
        this.format === 'xml' ? new XmlCall((name) => tools.get(name)) : new JsonCall((name) => tools.has(name));
      this.#gap = rest.slice(0, at - (buffer.length - rest.length));
      return buffer.slice(at + OPEN.length);
    }
    this.#held = rest;
    return '';
  }

  #piece(piece: CallPiece): AnswerPiece {
    if (piece.type === 'tool_arguments') return { ...piece, index: this.calls - 1 };
    this.#skips = true;
    const id = `call_${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
    return { type: 'tool_call', index: this.calls++, id, name: piece.name };
  }
}

function merged(pieces: AnswerPiece[]): AnswerPiece[] {
  const all: AnswerPiece[] = [];
  for (const piece of pieces) {
    const last = all.at(-1);
    const joins =
      (last?.type === 'text' && piece.type === 'text') ||
      (last?.type === 'tool_arguments' && piece.type === 'tool_arguments' && last.index === piece.index);
    if (joins) (last as { text: string }).text += (piece as { text: string }).text;
    else all.push({ ...piece });
  }
  return all;
}
