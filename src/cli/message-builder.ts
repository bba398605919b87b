/** Puts typed lines together into messages. No terminal here. */

/** At the end of a line that a paste, not the Enter key, ended: invisible and of no width. */
export const PASTED_NEWLINE = '\u200b';

const QUOTES = '"""';

export class MessageBuilder {
  #lines: string[] = [];
  #quoted = false;

  /** Whether a message has begun and is not finished. */
  get pending(): boolean {
    return this.#lines.length > 0 || this.#quoted;
  }

  reset(): void {
    this.#lines = [];
    this.#quoted = false;
  }

  /** The message, if `line` finished one. */
  add(line: string): string | undefined {
    const pasted = line.endsWith(PASTED_NEWLINE);
    let text = pasted ? line.slice(0, -1) : line;
    if (!this.pending && text.trimStart().startsWith(QUOTES)) {
      this.#quoted = true;
      text = text.trimStart().slice(QUOTES.length);
      if (text === '') return undefined;
    }
    if (this.#quoted) {
      if (!text.trimEnd().endsWith(QUOTES)) return this.#more(text);
      return this.#finish(text.trimEnd().slice(0, -QUOTES.length));
    }
    if (pasted) return this.#more(text);
    return text.endsWith('\\') ? this.#more(text.slice(0, -1)) : this.#finish(text);
  }

  #more(text: string): undefined {
    this.#lines.push(text);
    return undefined;
  }

  #finish(text: string): string {
    const message = [...this.#lines, text].join('\n');
    this.reset();
    return message;
  }
}
