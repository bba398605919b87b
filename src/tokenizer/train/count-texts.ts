/** Texts to the pieces that are counted: as encoding does it, control tokens out, normalised, cut by the patterns. */
import { isAscii } from 'node:buffer';
import { AddedTokenFinder } from '../added.js';
import { nfc } from '../normalize.js';
import { type PreTokenizer, preTokenizer } from '../pretokenize.js';
import type { PieceCounts } from './piece-counts.js';

export interface CountOptions {
  /** The patterns that cut text, applied one after the other. */
  patterns: readonly string[];
  nfc: boolean;
  /** Contents of control tokens: merges neither hold nor cross them. */
  control: readonly string[];
}

const utf8 = new TextEncoder();

export class TextCounter {
  readonly #counts: PieceCounts;
  readonly #splitter: PreTokenizer;
  readonly #nfc: boolean;
  readonly #control: readonly Buffer[];
  readonly #finder: AddedTokenFinder;

  constructor(counts: PieceCounts, { patterns, nfc: normalise, control }: CountOptions) {
    this.#counts = counts;
    this.#splitter = preTokenizer(patterns);
    this.#nfc = normalise;
    this.#control = control.map((content) => Buffer.from(content));
    const token = { special: true, normalized: false, lstrip: false, rstrip: false, singleWord: false };
    this.#finder = new AddedTokenFinder(new Map(control.map((content, id) => [content, { id, content, ...token }])));
  }

  /** Counts the pieces of a text in UTF-8; what is not UTF-8 counts as U+FFFD. */
  addBytes(bytes: Buffer): void {
    const control = this.#control.some((content) => bytes.includes(content));
    if (control || !isAscii(bytes)) this.addText(bytes.toString('utf8'));
    else this.#split(bytes.toString('latin1'), bytes);
  }

  addText(text: string): void {
    for (const part of this.#finder.split(text)) {
      if (typeof part !== 'string') continue;
      const normal = this.#nfc ? nfc(part) : part;
      this.#split(normal, utf8.encode(normal));
    }
  }

  #split(text: string, bytes: Uint8Array): void {
    this.#splitter.split(text, bytes, bytes.length, (start, end) => this.#counts.add(bytes, start, end));
  }
}
