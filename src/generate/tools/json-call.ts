/**
 * Reads a call in Hermes' format, `{"name": …, "arguments": …}` and `</tool_call>`, as Qwen2.5 and Qwen3 write it. The
 * text of the arguments is passed on as it comes. Line breaks within strings, which JSON forbids and models write, are
 * escaped; arguments written as a string of JSON are unwrapped.
 */
import { overlap } from '../stop.js';
import { type CallPiece, type CallReader, type CallState, CLOSE, readClose } from './call-reader.js';
import { JsonScanner } from './json-scanner.js';

type Phase = 'start' | 'key' | 'colon' | 'value' | 'comma' | 'close' | 'broken';

export class JsonCall implements CallReader {
  state: CallState = 'open';
  named = false;
  rest = '';
  #phase: Phase = 'start';
  /** All that was taken before the name was known, then what was taken and not given out. */
  #taken = '';
  #scanner = new JsonScanner();
  #key = '';
  #value = '';
  /** The arguments, where they came before the name. */
  #early: string | undefined;
  #hasArguments = false;
  #close = '';

  constructor(private readonly known: (name: string) => boolean) {}

  get held(): number {
    return this.#taken.length;
  }

  push(text: string): CallPiece[] {
    const pieces: CallPiece[] = [];
    let shown = '';
    const show = () => {
      if (shown !== '') pieces.push({ type: 'tool_arguments', text: shown });
      shown = '';
    };
    for (let i = 0; i < text.length && this.state === 'open'; i++) {
      if (this.#phase === 'close' || this.#phase === 'broken') {
        show();
        pieces.push(...this.#finish(text.slice(i)));
        break;
      }
      const before = this.named;
      this.#taken += text[i];
      const result = this.#take(text[i]);
      if (result === undefined) {
        if (!this.named) {
          this.state = 'none';
          this.rest = this.#taken + text.slice(i + 1);
          return [];
        }
        // Too late to take the call back: the caller gets what the model wrote.
        this.#phase = 'broken';
        shown += this.#taken;
        this.#taken = '';
      } else shown += result;
      if (this.named && !before) {
        pieces.push({ type: 'tool_call', name: this.#value });
        this.#taken = '';
        if (this.#early !== undefined) shown = this.#early;
      }
      if (shown !== '') this.#taken = '';
    }
    show();
    return pieces;
  }

  end(): CallPiece[] {
    if (!this.named) this.rest = this.#taken;
    return this.#unwraps ? [{ type: 'tool_arguments', text: this.#value }] : [];
  }

  /** The arguments are a string, which is shown when it is complete. */
  get #unwraps(): boolean {
    return this.#phase === 'value' && this.#isArguments && !this.#hasArguments && this.#value.startsWith('"');
  }

  get #isArguments(): boolean {
    return this.#key === 'arguments' || this.#key === 'parameters';
  }

  /** One character: what is to be shown of it, or undefined where it fits nothing. */
  #take(char: string): string | undefined {
    const space = /\s/.test(char);
    switch (this.#phase) {
      case 'start':
        if (char === '{') this.#phase = 'key';
        return space || char === '{' ? '' : undefined;
      case 'key':
        if (this.#value === '' && space) return '';
        if (this.#value === '' && char !== '"') return undefined;
        this.#value += char;
        if (this.#scanner.take(char) === 'last') {
          this.#key = parse(this.#value) ?? '';
          this.#phase = 'colon';
        }
        return '';
      case 'colon':
        if (char === ':') {
          this.#phase = 'value';
          this.#value = '';
          this.#scanner = new JsonScanner();
        }
        return space || char === ':' ? '' : undefined;
      case 'value':
        return this.#takeValue(char, space);
      default:
        if (char === ',') {
          this.#phase = 'key';
          this.#value = '';
          this.#scanner = new JsonScanner();
        } else if (char === '}') {
          this.#phase = 'close';
          if (!this.named) return undefined;
          if (!this.#hasArguments) return '{}';
        } else if (!space) return undefined;
        return '';
    }
  }

  #takeValue(char: string, space: boolean): string | undefined {
    if (this.#value === '' && space) return '';
    const quoted = this.#scanner.inString;
    const step = this.#scanner.take(char);
    if (step === 'bad') return undefined;
    if (step === 'after') {
      const shown = this.#complete();
      const next = shown === undefined ? undefined : this.#take(char);
      return next === undefined ? undefined : shown + next;
    }
    const written = quoted && char < ' ' ? JSON.stringify(char).slice(1, -1) : char;
    const streams = this.named && this.#isArguments && !this.#hasArguments && /^\{/.test(this.#value || char);
    this.#value = streams ? '{' : this.#value + written;
    if (step !== 'last') return streams ? written : '';
    if (!streams) return this.#complete();
    this.#hasArguments = true;
    this.#phase = 'comma';
    return written;
  }

  /** A value has ended that was not streamed. */
  #complete(): string | undefined {
    this.#phase = 'comma';
    if (this.#key === 'name' && !this.named) {
      const name = parse(this.#value);
      if (name === undefined || !this.known(name)) return undefined;
      this.#value = name;
      this.named = true;
      this.#hasArguments = this.#early !== undefined;
    } else if (this.#isArguments && !this.#hasArguments && this.#early === undefined) {
      const text = unwrap(this.#value);
      if (!this.named) {
        this.#early = text;
        return '';
      }
      this.#hasArguments = true;
      return text;
    }
    return '';
  }

  #finish(text: string): CallPiece[] {
    this.#close += text;
    if (this.#phase === 'close') {
      const close = readClose(this.#close);
      this.state = close.state;
      if (close.state === 'done') this.rest = close.rest;
      this.#taken = this.#close;
      return [];
    }
    const at = this.#close.indexOf(CLOSE);
    const end = at >= 0 ? at : this.#close.length - overlap(this.#close, CLOSE);
    const shown = this.#close.slice(0, end);
    this.#close = this.#close.slice(end);
    this.#taken = this.#close;
    if (at >= 0) {
      this.state = 'done';
      this.rest = this.#close.slice(CLOSE.length);
    }
    return shown === '' ? [] : [{ type: 'tool_arguments', text: shown }];
  }
}

/** The text of a JSON string; undefined for anything else. */
function parse(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function unwrap(value: string): string {
  if (value === 'null') return '{}';
  const inner = parse(value);
  return inner?.trimStart().startsWith('{') ? inner : value;
}
