/**
 * Pre-tokenisation by any regular expression of a tokenizer.json that JavaScript can express exactly.
 * The files are written for Oniguruma; what has another meaning in JavaScript is translated (white space, digits,
 * case-insensitive groups) and what cannot be is refused, so that a pattern never runs with a slightly other sense.
 */
import { KaiwenError } from '../errors.js';

/** Unbounded repetitions in one alternative: each multiplies the steps of a failing match by the text's length. */
const MAX_REPETITIONS = 2;
const WHITE = '\\p{White_Space}';

/**
 * The pattern as a JavaScript regular expression with the flags `gu`.
 * @throws KaiwenError 'unsupported' naming the pattern
 */
export function translateRegex(source: string): RegExp {
  const refuse = (what: string): never => {
    throw new KaiwenError('unsupported', `pre-tokeniser pattern ${JSON.stringify(source)}: ${what} is not supported.`, {
      remedy: 'Kaiwen reads the patterns of GPT-2, Llama 3 and all Qwen generations, and simple ones like them.',
    });
  };
  let out = '';
  let inClass = false;
  let repetitions = 0;
  const folds: boolean[] = [];
  const folding = (): boolean => folds.includes(true);
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    if (char === '\\') {
      const escaped = source[++i] ?? refuse('a trailing backslash');
      if (escaped === 's') out += WHITE;
      else if (escaped === 'S') out += WHITE.replace('p', 'P');
      else if (escaped === 'd') out += '\\p{Nd}';
      else if (escaped === 'p' || escaped === 'P') {
        const name = /^\{\w+\}/.exec(source.slice(i + 1))?.[0] ?? refuse(`\\${escaped} without a name`);
        out += `\\${escaped}${name}`;
        i += name.length;
      } else if ('rnt'.includes(escaped) || '^$\\.*+?()[]{}|/-'.includes(escaped)) out += `\\${escaped}`;
      else if (/[^A-Za-z0-9]/.test(escaped)) out += escaped;
      else refuse(`\\${escaped}`);
    } else if (inClass) {
      if (char === '[' || (char === '&' && source[i + 1] === '&')) refuse('a set within a class');
      if (folding() && /[A-Za-z]/.test(char)) refuse('a letter class without case');
      if (char === ']') inClass = false;
      out += char;
    } else if (char === '[') {
      inClass = true;
      out += char;
      if (source[i + 1] === '^') out += source[++i];
    } else if (char === '(') {
      const opening = /^\((?:\?(?:i:|:|=|!|<=|<!))?/.exec(source.slice(i))![0];
      if (opening === '(' && source[i + 1] === '?') refuse(`the group ${source.slice(i, i + 3)}`);
      folds.push(opening === '(?i:');
      out += opening === '(?i:' ? '(?:' : opening;
      i += opening.length - 1;
    } else if (char === ')') {
      folds.pop();
      // A repeated group, or many repetitions in a row, can take more steps than there is time.
      if (/^(?:[+*]|\{\d*,)/.test(source.slice(i + 1, i + 8))) refuse('a repeated group');
      out += char;
    } else if (char === '|') {
      if (folds.length === 0) repetitions = 0;
      out += char;
    } else if ('.^$'.includes(char)) refuse(char);
    else if ('+*?}'.includes(char) && source[i + 1] === '+') refuse('a possessive quantifier');
    else if (/^(?:[+*]|\{\d*,(?:\d\d+)?\})/.test(source.slice(i, i + 8)) && ++repetitions > MAX_REPETITIONS) {
      refuse('so many repetitions in a row');
    } else if (folding() && /[A-Za-z]/.test(char)) out += `[${char.toLowerCase()}${char.toUpperCase()}]`;
    else out += char;
  }
  try {
    return new RegExp(out, 'gu');
  } catch (cause) {
    return refuse((cause as Error).message);
  }
}

/** Cuts text by one pattern after the other; what lies between two matches is a piece too. */
export class RegexSplitter {
  constructor(private readonly patterns: readonly RegExp[]) {}

  /** Calls `piece` with the bounds of every piece in `bytes`, the UTF-8 of `text`. */
  split(text: string, _bytes: Uint8Array, _length: number, piece: (start: number, end: number) => void): void {
    let pieces = [text];
    try {
      for (const pattern of this.patterns) pieces = pieces.flatMap((part) => cut(part, pattern));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new KaiwenError('bad_input', 'text has a run without a break that this tokenizer cannot cut.', {
        remedy: 'Pass the text in smaller parts.',
        cause,
      });
    }
    let start = 0;
    for (const part of pieces) {
      const end = start + utf8Length(part);
      piece(start, end);
      start = end;
    }
  }
}

function cut(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > done) pieces.push(text.slice(done, match.index));
    if (match[0].length > 0) pieces.push(match[0]);
    done = match.index + match[0].length;
  }
  if (done < text.length) pieces.push(text.slice(done));
  return pieces;
}

/** Bytes of the UTF-8 of `text`, a lone surrogate counted as the U+FFFD that it becomes. */
function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) length += 1;
    else if (code < 0x800) length += 2;
    else {
      length += 3;
      const low = text.charCodeAt(i + 1);
      if (code >= 0xd800 && code < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        length += 1;
        i++;
      }
    }
  }
  return length;
}
