/**
 * Reads a call in the format of Qwen3-Coder and Qwen3.5, `<function=…>` with a `<parameter=…>` for each argument, and
 * writes its arguments as JSON: strings are escaped while they stream, other values are given when they are complete.
 */
import { overlap } from '../stop.js';
import { type CallPiece, type CallReader, type CallState, CLOSE, readClose } from './call-reader.js';
import type { Tool } from './definitions.js';
import { parameterJson, parameterOf } from './parameter.js';

const FUNCTION = '<function=';
const END_FUNCTION = '</function>';
const PARAMETER = '<parameter=';
const END_PARAMETER = '</parameter>';
/** Longer than any name; where no `>` has come by then there is none. */
const LONGEST = 1024;

type Phase = 'function' | 'between' | 'first' | 'string' | 'value' | 'close';

export class XmlCall implements CallReader {
  state: CallState = 'open';
  named = false;
  rest = '';
  #phase: Phase = 'function';
  #buffer = '';
  #tool: Tool | undefined;
  #count = 0;
  #key = '';
  #given = '';

  constructor(private readonly find: (name: string) => Tool | undefined) {}

  get held(): number {
    return this.#buffer.length;
  }

  push(text: string): CallPiece[] {
    this.#buffer += text;
    const pieces: CallPiece[] = [];
    while (this.state === 'open' && this.#step(pieces));
    return this.#flush(pieces);
  }

  end(): CallPiece[] {
    const text = this.#buffer;
    if (!this.named) this.rest = text;
    this.#buffer = '';
    // What begins like the closing tag is taken for it.
    const tag = overlap(text, END_PARAMETER);
    if (this.#phase === 'string') this.#given += escaped(chomp(text.slice(0, text.length - tag)));
    return this.#flush([]);
  }

  #flush(pieces: CallPiece[]): CallPiece[] {
    if (this.#given !== '') pieces.push({ type: 'tool_arguments', text: this.#given });
    this.#given = '';
    return pieces;
  }

  /** Takes what can be decided from the buffer; false where more is needed. */
  #step(pieces: CallPiece[]): boolean {
    switch (this.#phase) {
      case 'function':
        return this.#readFunction(pieces);
      case 'between':
        return this.#readBetween();
      case 'first':
        if (this.#buffer === '' || this.#buffer === '\r') return false;
        this.#buffer = this.#buffer.replace(/^\r?\n/, '');
        this.#begin();
        return true;
      case 'string':
        return this.#readString();
      case 'value':
        return this.#readValue();
      case 'close': {
        const close = readClose(this.#buffer);
        this.state = close.state;
        if (close.state === 'done') this.rest = close.rest;
        return false;
      }
    }
  }

  #readFunction(pieces: CallPiece[]): boolean {
    const text = this.#buffer.trimStart();
    const end = text.indexOf('>');
    const begins = text.startsWith(FUNCTION);
    if (begins && end > 0) {
      this.#tool = this.find(text.slice(FUNCTION.length, end));
      if (this.#tool) {
        this.named = true;
        this.#phase = 'between';
        this.#buffer = text.slice(end + 1);
        pieces.push({ type: 'tool_call', name: this.#tool.name });
        return true;
      }
    } else if (begins ? text.length < LONGEST : FUNCTION.startsWith(text)) return false;
    this.state = 'none';
    this.rest = this.#buffer;
    return false;
  }

  #readBetween(): boolean {
    const start = this.#buffer.indexOf('<');
    // Nothing belongs between parameters.
    this.#buffer = start < 0 ? '' : this.#buffer.slice(start);
    const text = this.#buffer;
    if (text.startsWith(END_FUNCTION) || text.startsWith(CLOSE)) {
      this.#given += this.#count === 0 ? '{}' : '}';
      if (text.startsWith(END_FUNCTION)) this.#buffer = text.slice(END_FUNCTION.length);
      this.#phase = 'close';
      return true;
    }
    const end = text.indexOf('>');
    if (text.startsWith(PARAMETER) && end > 0) {
      this.#key = text.slice(PARAMETER.length, end);
      this.#buffer = text.slice(end + 1);
      this.#phase = 'first';
      return true;
    }
    const more = text.startsWith(PARAMETER)
      ? text.length < LONGEST
      : [PARAMETER, END_FUNCTION, CLOSE].some((tag) => tag.startsWith(text));
    if (more) return false;
    this.#buffer = text.slice(1);
    return true;
  }

  #begin(): void {
    const { types } = parameterOf(this.#tool!.parameters, this.#key);
    this.#given += `${this.#count++ === 0 ? '{' : ', '}${JSON.stringify(this.#key)}: `;
    this.#phase = types.size === 1 && types.has('string') ? 'string' : 'value';
    if (this.#phase === 'string') this.#given += '"';
  }

  #readString(): boolean {
    const end = this.#buffer.indexOf(END_PARAMETER);
    if (end >= 0) {
      this.#given += `${escaped(chomp(this.#buffer.slice(0, end)))}"`;
      this.#endParameter(end);
      return true;
    }
    const tag = overlap(this.#buffer, END_PARAMETER);
    const body = this.#buffer.slice(0, this.#buffer.length - tag);
    const shown = chomp(body);
    this.#given += escaped(shown);
    this.#buffer = this.#buffer.slice(shown.length);
    return false;
  }

  #readValue(): boolean {
    const end = this.#buffer.indexOf(END_PARAMETER);
    if (end < 0) return false;
    const { types } = parameterOf(this.#tool!.parameters, this.#key);
    this.#given += parameterJson(chomp(this.#buffer.slice(0, end)), types);
    this.#endParameter(end);
    return true;
  }

  #endParameter(end: number): void {
    this.#buffer = this.#buffer.slice(end + END_PARAMETER.length);
    this.#phase = 'between';
  }
}

/** Without the line's end that belongs to the format. */
const chomp = (text: string) => text.replace(/\r?\n?$/, '');

const escaped = (text: string) => JSON.stringify(text).slice(1, -1);
