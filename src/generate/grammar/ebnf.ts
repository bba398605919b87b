/** Writes grammars in the library's notation: texts, classes of characters, rules. */
import { KaiwenError } from '../../errors.js';
import { complement, parseRegex, type Range, type Regex, union } from './regex.js';

/** Rules of one grammar, and characters of its text. */
const RULES = 40_000;
const LENGTH = 2 << 20;

/** A part of a rule's body; never empty text: what matches nothing is `""`. */
export type Expression = string;

export const EMPTY: Expression = '""';

export class Ebnf {
  private readonly rules: string[] = [];
  private readonly classes = new Map<string, Expression>();
  private names = 0;
  private length = 0;

  /** A new rule's name; its body may refer to it. */
  name(): string {
    if (this.names >= RULES) throw tooLarge();
    return `r${this.names++}`;
  }

  define(name: string, body: Expression): void {
    const rule = `${name} ::= ${body}`;
    this.length += rule.length;
    if (this.length > LENGTH) throw tooLarge();
    this.rules.push(rule);
  }

  /** A rule of this body; a body that is short enough needs none. */
  rule(body: Expression): Expression {
    if (body.length < 12 && !body.includes(' ')) return body;
    const name = this.name();
    this.define(name, body);
    return name;
  }

  /** One character of these. */
  characters(ranges: readonly Range[], writing: Writing): Expression {
    const key = `${writing} ${ranges.join(' ')}`;
    let known = this.classes.get(key);
    if (!known) {
      known = this.rule(classBody(ranges, writing));
      this.classes.set(key, known);
    }
    return known;
  }

  /** The texts that a regular expression matches as a whole. Throws KaiwenError 'unsupported' where it matches none. */
  regex(regex: Regex, writing: Writing): Expression {
    switch (regex.kind) {
      case 'class':
        return this.characters(regex.ranges, writing);
      case 'choice':
        return choice(regex.options.map((option) => this.regex(option, writing)));
      case 'repeat':
        return repeat(this.regex(regex.part, writing), regex.min, regex.max);
      case 'sequence': {
        const parts: Expression[] = [];
        let text = '';
        const flush = () => {
          if (text !== '') parts.push(literal(writing === 'json' ? JSON.stringify(text).slice(1, -1) : text));
          text = '';
        };
        for (const part of regex.parts) {
          const one = part.kind === 'class' && part.ranges.length === 1 && part.ranges[0];
          if (one && one[0] === one[1]) text += String.fromCodePoint(one[0]);
          else {
            flush();
            parts.push(this.regex(part, writing));
          }
        }
        flush();
        return sequence(...parts);
      }
    }
  }

  /** The whole grammar, for answers that match `root`. */
  text(root: Expression): string {
    return [`root ::= ${root}`, ...this.rules].join('\n');
  }
}

/** The grammar of an expression. Throws KaiwenError 'bad_input' or 'unsupported'. */
export function regexGrammar(pattern: string): string {
  const ebnf = new Ebnf();
  return ebnf.text(ebnf.regex(parseRegex(pattern), 'text'));
}

function tooLarge(): KaiwenError {
  return new KaiwenError('unsupported', 'The schema asks for too large a grammar.', { remedy: 'Make it smaller.' });
}

/** Exactly this text. */
export function literal(text: string): Expression {
  let escaped = '';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    escaped += code < 0x20 || code === 0x22 || code === 0x5c || code > 0x7e ? escapeCode(code) : char;
  }
  return `"${escaped}"`;
}

export function sequence(...parts: Expression[]): Expression {
  const some = parts.filter((part) => part !== EMPTY);
  return some.length === 0 ? EMPTY : some.join(' ');
}

export function choice(options: readonly Expression[]): Expression {
  const distinct = [...new Set(options)];
  return distinct.length === 1 ? distinct[0] : `(${distinct.join(' | ')})`;
}

export function repeat(part: Expression, min: number, max: number): Expression {
  if (max === 0) return EMPTY;
  const body = /^(\w+|\[[^\]]*\])$/.test(part) ? part : `(${part})`;
  if (min === 1 && max === 1) return part;
  if (max === Infinity) return min === 0 ? `${body}*` : min === 1 ? `${body}+` : `${body}{${min},}`;
  return min === 0 && max === 1 ? `${body}?` : `${body}{${min},${max}}`;
}

/** How the characters of a text are written: as they are, or as in a JSON string. */
export type Writing = 'text' | 'json';

/** One character of these, as bytes. */
export function classBody(ranges: readonly Range[], writing: Writing): Expression {
  const characters = complement(complement(ranges));
  if (writing === 'text') return charactersBody(characters);
  const options: Expression[] = [];
  const plain = complement(union([...complement(characters), ...ESCAPED]));
  if (plain.length > 0) options.push(charactersBody(plain));
  for (const [low, high] of ESCAPED) {
    for (let code = low; code <= high; code++) {
      if (!characters.some(([from, to]) => from <= code && code <= to)) continue;
      options.push(literal(JSON.stringify(String.fromCharCode(code)).slice(1, -1)));
    }
  }
  if (options.length === 0) throw emptyClass();
  return choice(options);
}

/** What JSON does not have in a text as it is. */
const ESCAPED: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];

/**
 * Characters as sequences of bytes in UTF-8. The library (0.1.27) takes what is above 7F in a class for bytes, unless
 * it is one single character: then it means that, and a byte must be written twice.
 */
function charactersBody(ranges: readonly Range[]): Expression {
  const ascii: Range[] = [];
  const options: Expression[] = [];
  for (const [low, high] of ranges) {
    if (low < 0x80) ascii.push([low, Math.min(high, 0x7f)]);
    for (const [from, to] of PLANES) {
      if (low > to || high < from) continue;
      options.push(...spans(utf8(Math.max(low, from)), utf8(Math.min(high, to))));
    }
  }
  if (ascii.length > 0) options.unshift(bytesClass(ascii));
  if (options.length === 0) throw emptyClass();
  return choice(options);
}

/** Characters of two, three and four bytes. */
const PLANES: readonly Range[] = [
  [0x80, 0x7ff],
  [0x800, 0xffff],
  [0x10000, 0x10ffff],
];

function utf8(codePoint: number): number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(codePoint))];
}

/** Sequences of classes for all byte sequences from `low` to `high`, which are of one length. */
function spans(low: readonly number[], high: readonly number[]): Expression[] {
  let [first, last] = [low[0], high[0]];
  if (low.length === 1) return [bytesClass([[first, last]])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  const least = lowRest.map(() => 0x80);
  const most = lowRest.map(() => 0xbf);
  const from = (byte: number, rest: Expression[]) => rest.map((tail) => sequence(bytesClass([[byte, byte]]), tail));
  if (first === last) return from(first, spans(lowRest, highRest));
  const options: Expression[] = [];
  if (lowRest.some((byte) => byte !== 0x80)) options.push(...from(first++, spans(lowRest, most)));
  const tail = highRest.some((byte) => byte !== 0xbf) ? from(last--, spans(least, highRest)) : [];
  if (first <= last) options.push(sequence(bytesClass([[first, last]]), ...spans(least, most)));
  return [...options, ...tail];
}

function bytesClass(ranges: readonly Range[]): Expression {
  const shown = ([low, high]: Range) => {
    if (low !== high) return `${escapeCode(low)}-${escapeCode(high)}`;
    return low < 0x80 ? escapeCode(low) : escapeCode(low).repeat(2);
  };
  return `[${ranges.map(shown).join('')}]`;
}

function emptyClass(): KaiwenError {
  return new KaiwenError('unsupported', 'A class of characters is empty.');
}

function escapeCode(code: number): string {
  // The short form, \x, takes as many digits as follow.
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}
