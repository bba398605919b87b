/**
 * Splits the stream of an answer into thinking and answer by the tags `<think>` and `</think>`. Thinking can only
 * come first: once the answer has begun, tags are text. A template may have opened the block already (the prompt ends
 * with `<think>`). Newlines around the block belong to the format and are dropped. An answer that ends inside the
 * block is all thinking.
 */
import { overlap } from './stop.js';

export interface Piece {
  type: 'thinking' | 'text';
  text: string;
}

const OPEN = '<think>';
const CLOSE = '</think>';

export class ThinkingSplitter {
  #state: 'start' | 'thinking' | 'answer';
  #held = '';
  /** Drop newlines until something else comes. */
  #skipNewlines: boolean;

  /** `open`: the prompt ends inside the block. */
  constructor(open: boolean) {
    this.#state = open ? 'thinking' : 'start';
    this.#skipNewlines = open;
  }

  /** Characters taken and not shown yet. */
  get held(): number {
    return this.#held.length;
  }

  push(text: string): Piece[] {
    const pieces: Piece[] = [];
    let buffer = this.#held + text;
    this.#held = '';
    if (this.#state === 'start') {
      const trimmed = buffer.trimStart();
      if (trimmed.startsWith(OPEN)) {
        this.#state = 'thinking';
        this.#skipNewlines = true;
        buffer = trimmed.slice(OPEN.length);
      } else if (OPEN.startsWith(trimmed)) {
        this.#held = buffer;
        return pieces;
      } else {
        this.#state = 'answer';
      }
    }
    if (this.#state === 'thinking') {
      buffer = this.#skip(buffer);
      const close = buffer.indexOf(CLOSE);
      if (close < 0) {
        const undecided = overlap(buffer, CLOSE);
        const shown = buffer.slice(0, buffer.length - undecided).replace(/\n+$/, '');
        this.#held = buffer.slice(shown.length);
        if (shown) pieces.push({ type: 'thinking', text: shown });
        return pieces;
      }
      const shown = buffer.slice(0, close).replace(/\n+$/, '');
      if (shown) pieces.push({ type: 'thinking', text: shown });
      this.#state = 'answer';
      this.#skipNewlines = true;
      buffer = buffer.slice(close + CLOSE.length);
    }
    buffer = this.#skip(buffer);
    if (buffer) pieces.push({ type: 'text', text: buffer });
    return pieces;
  }

  /** What was held back for a tag that never came. */
  end(): Piece[] {
    const text = this.#held;
    this.#held = '';
    if (!text) return [];
    return [{ type: this.#state === 'thinking' ? 'thinking' : 'text', text }];
  }

  #skip(text: string): string {
    if (!this.#skipNewlines) return text;
    const rest = text.replace(/^[\r\n]+/, '');
    if (rest) this.#skipNewlines = false;
    return rest;
  }
}
