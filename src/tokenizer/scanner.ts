/**
 * Hand-written pre-tokenisers for the patterns of the GPT family, over UTF-8 bytes: several times faster than a
 * regular expression and equal to it (property-tested). All share one shape and differ in four switches:
 *
 *   contraction | prefix? letters+ | digits | ' '? punctuation+ newlines* | space* newlines | space+ (?!\S) | space+
 *
 * Every step is linear: no part of the text is looked at more than a fixed number of times.
 */
import { ASCII_CLASSES, classOf, LETTER, MARK, NUMBER, SPACE } from './classes.js';

export interface ScannerStyle {
  /** GPT-2's older shape: only a space joins the word after it, it joins numbers too, newlines are plain space. */
  readonly gpt2: boolean;
  /** Most digits in a piece. */
  readonly digits: number;
  /** Combining marks belong to words (Qwen3.5). */
  readonly marks: boolean;
}

const QUOTE = 0x27;
const BLANK = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class Scanner {
  private readonly gpt2: boolean;
  private readonly digits: number;
  /** Class bits that make a word. */
  private readonly word: number;
  /** Class bits that end a run of punctuation. */
  private readonly notPunctuation: number;
  /** Length in bytes of the character that `classAt` looked at. */
  private width = 1;

  constructor(style: ScannerStyle) {
    this.gpt2 = style.gpt2;
    this.digits = style.digits;
    this.word = style.marks ? LETTER | MARK : LETTER;
    this.notPunctuation = SPACE | NUMBER | this.word;
  }

  /** Calls `piece` with the bounds of every piece of `bytes[0, length)`, well-formed UTF-8, in order. */
  split(_text: string, bytes: Uint8Array, length: number, piece: (start: number, end: number) => void): void {
    let start = 0;
    while (start < length) {
      const end = this.pieceEnd(bytes, start, length);
      piece(start, end);
      start = end;
    }
  }

  private pieceEnd(bytes: Uint8Array, start: number, length: number): number {
    const first = bytes[start]!;
    if (first === QUOTE) {
      const end = this.contractionEnd(bytes, start, length);
      if (end > 0) return end;
    }
    const kind = this.classAt(bytes, start);
    const next = start + this.width;
    if ((kind & this.word) !== 0) return this.runEnd(bytes, next, length, this.word);

    const mayPrefixWord = this.gpt2 ? first === BLANK : (kind & NUMBER) === 0 && first !== NEWLINE && first !== RETURN;
    if (mayPrefixWord && next < length && (this.classAt(bytes, next) & this.word) !== 0) {
      return this.runEnd(bytes, next + this.width, length, this.word);
    }
    if ((kind & NUMBER) !== 0) return this.numberEnd(bytes, next, length);

    let kindAfterBlank = kind;
    let from = start;
    if (first === BLANK && next < length) {
      kindAfterBlank = this.classAt(bytes, next);
      from = next;
      if (this.gpt2 && (kindAfterBlank & NUMBER) !== 0) return this.numberEnd(bytes, next + this.width, length);
    }
    if ((kindAfterBlank & this.notPunctuation) === 0) return this.punctuationEnd(bytes, from, length);
    return this.spaceEnd(bytes, start, length);
  }

  /** End of `'s 't 're 've 'm 'll 'd` at `start`, in either case but for GPT-2; 0 if there is none. */
  private contractionEnd(bytes: Uint8Array, start: number, length: number): number {
    const fold = this.gpt2 ? 0 : 0x20;
    const a = start + 1 < length ? bytes[start + 1]! | fold : 0;
    // s, t, m, d
    if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return start + 2;
    const b = start + 2 < length ? bytes[start + 2]! | fold : 0;
    // re, ve, ll
    if ((b === 0x65 && (a === 0x72 || a === 0x76)) || (b === 0x6c && a === 0x6c)) return start + 3;
    return 0;
  }

  private numberEnd(bytes: Uint8Array, from: number, length: number): number {
    let at = from;
    for (let count = 1; count < this.digits && at < length && (this.classAt(bytes, at) & NUMBER) !== 0; count++) {
      at += this.width;
    }
    return at;
  }

  private punctuationEnd(bytes: Uint8Array, from: number, length: number): number {
    let at = from;
    while (at < length && (this.classAt(bytes, at) & this.notPunctuation) === 0) at += this.width;
    if (!this.gpt2) while (at < length && (bytes[at] === NEWLINE || bytes[at] === RETURN)) at++;
    return at;
  }

  /** White space: up to its last newline; else all but the last character, which the next piece may want; else one. */
  private spaceEnd(bytes: Uint8Array, start: number, length: number): number {
    let at = start;
    let last = start;
    let afterNewline = 0;
    while (at < length && (this.classAt(bytes, at) & SPACE) !== 0) {
      last = at;
      at += this.width;
      if (bytes[last] === NEWLINE || bytes[last] === RETURN) afterNewline = at;
    }
    if (!this.gpt2 && afterNewline > 0) return afterNewline;
    return at === length || last === start ? at : last;
  }

  private runEnd(bytes: Uint8Array, from: number, length: number, bits: number): number {
    let at = from;
    while (at < length && (this.classAt(bytes, at) & bits) !== 0) at += this.width;
    return at;
  }

  private classAt(bytes: Uint8Array, at: number): number {
    const a = bytes[at]!;
    if (a < 0x80) {
      this.width = 1;
      return ASCII_CLASSES[a]!;
    }
    if (a < 0xe0) {
      this.width = 2;
      return classOf(((a & 0x1f) << 6) | (bytes[at + 1]! & 0x3f));
    }
    if (a < 0xf0) {
      this.width = 3;
      return classOf(((a & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f));
    }
    this.width = 4;
    const high = ((a & 0x07) << 18) | ((bytes[at + 1]! & 0x3f) << 12);
    return classOf(high | ((bytes[at + 2]! & 0x3f) << 6) | (bytes[at + 3]! & 0x3f));
  }
}
