/**
 * Splits the stream of an answer into thinking and answer by the tags `<think>` and `</think>`. Thinking can only
 * come first: once the answer has begun, tags are text. A template may have opened the block already (the prompt ends
 * with `<think>`). Newlines around the block belong to the format and are dropped. An answer that ends inside the
 * block is all thinking.
 *
 * Where the tags are tokens of their own, only those count (`mark`), and a text that reads like a tag is text.
 */
import { overlap } from './stop.js';

export interface Piece {
  type: 'thinking' | 'text';
  text: string;
}

export const THINK = '<think>';
export const END_THINK = '</think>';

export class ThinkingSplitter {
  #state: 'start' | 'thinking' | 'answer';
  #held = '';
  /** Drop newlines until something else comes. */
  #skipNewlines: boolean;

  /** `open`: the prompt ends inside the block. `marked`: the tags are tokens, and reported by `mark`. */
  constructor(
    open: boolean,
    private readonly marked = false,
  ) {
    this.#state = open ? 'thinking' : 'start';
    this.#skipNewlines = open;
  }

  /** Characters taken and not shown yet. */
  get held(): number {
    return this.#held.length;
  }

  /** What comes now is thinking. */
  get thinking(): boolean {
    return this.#state === 'thinking';
  }

  /** A tag came as a token. Returns whether it is one here, and no text. */
  mark(tag: typeof THINK | typeof END_THINK): boolean {
    if (this.#state === 'answer') return false;
    // Again, right behind the tag that the template wrote; or an end of nothing.
    const twice = tag === THINK && this.#state === 'thinking';
    if (twice && !(this.#skipNewlines && this.#held === '')) return false;
    this.#state = tag === THINK ? 'thinking' : 'answer';
    this.#held = '';
    this.#skipNewlines = true;
    return true;
  }

  push(text: string): Piece[] {
    const pieces: Piece[] = [];
    let buffer = this.#held + text;
    this.#held = '';
    if (this.#state === 'start') {
      const trimmed = buffer.trimStart();
      if (!this.marked && trimmed.startsWith(THINK)) {
        this.#state = 'thinking';
        this.#skipNewlines = true;
        buffer = trimmed.slice(THINK.length);
      } else if (this.marked ? trimmed === '' : THINK.startsWith(trimmed)) {
        this.#held = buffer;
        return pieces;
      } else {
        this.#state = 'answer';
      }
    }
    if (this.#state === 'thinking') {
      buffer = this.#skip(buffer);
      const close = this.marked ? -1 : buffer.indexOf(END_THINK);
      if (close < 0) {
        const undecided = this.marked ? 0 : overlap(buffer, END_THINK);
        const shown = buffer.slice(0, buffer.length - undecided).replace(/\n+$/, '');
        this.#held = buffer.slice(shown.length);
        if (shown) pieces.push({ type: 'thinking', text: shown });
        return pieces;
      }
      const shown = buffer.slice(0, close).replace(/\n+$/, '');
      if (shown) pieces.push({ type: 'thinking', text: shown });
      this.#state = 'answer';
      this.#skipNewlines = true;
      buffer = buffer.slice(close + END_THINK.length);
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
