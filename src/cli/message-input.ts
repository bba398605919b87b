/**
 * Reads whole messages from a terminal: line editing and history by node:readline, several lines by a closing
 * backslash, by triple quotes, or by pasting. While an answer streams the terminal is handed back (`suspend`),
 * so that Ctrl-C arrives as a signal.
 */
import { createInterface, type Interface } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import { MessageBuilder } from './message-builder.js';
import { PasteFilter } from './paste-filter.js';

export type InputEvent =
  | { type: 'message'; text: string }
  /** Ctrl-C; `discarded`: there was text, which is gone. */
  | { type: 'interrupt'; discarded: boolean }
  /** Ctrl-D. */
  | { type: 'end' };

export interface Prompts {
  first: string;
  /** Before the further lines of a message. */
  more: string;
}

const PASTE_ON = '\x1b[?2004h';
const PASTE_OFF = '\x1b[?2004l';

export class MessageInput {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #prompts: Prompts;
  readonly #readline: Interface;
  readonly #builder = new MessageBuilder();
  readonly #ready: InputEvent[] = [];
  #waiting: ((event: InputEvent) => void) | undefined;
  #ended = false;

  constructor(input: ReadStream, output: WriteStream, prompts: Prompts) {
    this.#input = input;
    this.#output = output;
    this.#prompts = prompts;
    const filter = new PasteFilter((raw) => input.setRawMode(raw));
    this.#readline = createInterface({ input: input.pipe(filter), output, terminal: true, historySize: 1000 });
    this.#readline
      .on('line', (line) => this.#takeLine(line))
      .on('SIGINT', () => this.#interrupt())
      .on('close', () => {
        this.#ended = true;
        this.#emit({ type: 'end' });
      });
  }

  /** Shows the prompt and waits for what the user does. */
  next(): Promise<InputEvent> {
    const event = this.#ready.shift();
    if (event) return Promise.resolve(event);
    if (this.#ended) return Promise.resolve({ type: 'end' });
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#input.setRawMode(true);
      this.#output.write(PASTE_ON);
      this.#readline.setPrompt(this.#prompts.first);
      this.#readline.prompt();
    });
  }

  /** Leaves the terminal to others until the next `next()`. */
  suspend(): void {
    if (this.#ended) return;
    this.#readline.pause();
    this.#output.write(PASTE_OFF);
    this.#input.setRawMode(false);
  }

  close(): void {
    this.#output.write(PASTE_OFF);
    this.#readline.close();
    this.#input.unpipe();
    this.#input.pause();
  }

  #takeLine(line: string): void {
    const text = this.#builder.add(line);
    if (text !== undefined) {
      this.#emit({ type: 'message', text });
      return;
    }
    this.#readline.setPrompt(this.#prompts.more);
    this.#readline.prompt();
  }

  #interrupt(): void {
    const discarded = this.#builder.pending || this.#readline.line !== '';
    this.#builder.reset();
    this.#readline.write(null, { ctrl: true, name: 'e' });
    this.#readline.write(null, { ctrl: true, name: 'u' });
    this.#output.write('^C\n');
    this.#emit({ type: 'interrupt', discarded });
  }

  #emit(event: InputEvent): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(event);
    else this.#ready.push(event);
  }
}
