/** Shows an answer as it streams: text to one stream, thinking dimmed and apart, notices to standard error. */
import { once } from 'node:events';
import type { AnswerEnd, TextEvent } from '../generate/api.js';
import { colorsFor } from './terminal.js';

/** Where it goes: a terminal, a pipe or a file. */
export type Output = NodeJS.WritableStream & { isTTY?: boolean };

// What a model writes must not move the cursor or retitle the window.
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

export class AnswerPrinter {
  readonly #text: Output;
  readonly #thinking: Output;
  readonly #notices: Output;
  #last: 'nothing' | 'text' | 'thinking' = 'nothing';
  #atLineStart = true;

  constructor(streams: { text: Output; thinking: Output; notices: Output }) {
    this.#text = streams.text;
    this.#thinking = streams.thinking;
    this.#notices = streams.notices;
  }

  async show(event: TextEvent): Promise<void> {
    switch (event.type) {
      case 'text':
        if (this.#last === 'thinking') await write(this.#thinking, this.#atLineStart ? '\n' : '\n\n');
        return this.#put('text', this.#text, event.text);
      case 'thinking':
        return this.#put('thinking', this.#thinking, event.text);
      case 'notice':
        return this.notice(event.message);
      case 'done':
        await this.endLine();
        return this.notice(finishNotice(event.reason));
    }
  }

  /** Ends the line that the answer left open. */
  async endLine(): Promise<void> {
    if (this.#last === 'thinking' && !this.#atLineStart) await write(this.#thinking, '\n');
    else if (this.#last !== 'thinking' && (!this.#atLineStart || this.#last === 'nothing'))
      await write(this.#text, '\n');
    this.#last = 'nothing';
    this.#atLineStart = true;
  }

  async notice(message: string | undefined): Promise<void> {
    if (!message) return;
    const lead = this.#atLineStart ? '' : '\n';
    await write(this.#notices, `${lead}${colorsFor(this.#notices).yellow(message)}\n`);
  }

  async #put(kind: 'text' | 'thinking', stream: Output, text: string): Promise<void> {
    if (text === '') return;
    this.#last = kind;
    this.#atLineStart = text.endsWith('\n');
    const safe = stream.isTTY ? text.replace(CONTROL, '') : text;
    await write(stream, kind === 'thinking' ? colorsFor(stream).dim(safe) : safe);
  }
}

/** What the user should know about how the answer ended, if anything. */
export function finishNotice(reason: AnswerEnd): string | undefined {
  switch (reason) {
    case 'stop':
    case 'tool_calls':
      return undefined;
    case 'length':
      return '(cut: the answer reached its greatest length)';
    case 'repetition':
      return '(stopped: the answer kept repeating itself)';
    case 'timeout':
      return '(stopped: its time was over)';
    case 'aborted':
      return '(stopped)';
  }
}

/** Writes no faster than the reader reads. */
async function write(stream: Output, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain');
}
