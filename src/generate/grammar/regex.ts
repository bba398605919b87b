/**
 * Regular expressions in ECMAScript's syntax, as far as they are regular: what looks around, back or at word borders is
 * refused by name. An expression stands for the texts that it matches as a whole; anchors at its ends say just that.
 */
import { KaiwenError } from '../../errors.js';

/** Code points, first and last. Sorted and apart in a class. */
export type Range = readonly [number, number];

export type Regex =
  | { kind: 'class'; ranges: readonly Range[] }
  | { kind: 'sequence'; parts: readonly Regex[] }
  | { kind: 'choice'; options: readonly Regex[] }
  | { kind: 'repeat'; part: Regex; min: number; max: number };

const LAST = 0x10ffff;
const DEPTH = 100;
const LENGTH = 20_000;
const REPEAT = 1_000_000;

const DIGIT: Range[] = [[48, 57]];
// biome-ignore format: a list of ranges
const WORD: Range[] = [[48, 57], [65, 90], [95, 95], [97, 122]];
// biome-ignore format: a list of ranges
const SPACE: Range[] = [[9, 13], [32, 32], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff]];
// biome-ignore format: a list of ranges
const LINE_ENDS: Range[] = [[10, 10], [13, 13], [0x2028, 0x2029]];
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 };

/**
 * The texts that match as a whole; with `found`, those in which a match is found. Throws KaiwenError 'bad_input' on what
 * is no expression, 'unsupported' on what is not regular.
 */
export function parseRegex(pattern: string, found = false): Regex {
  if (pattern.length > LENGTH) throw wrong(pattern, 0, `has more than ${LENGTH} characters`);
  return new Parser(pattern, found).all();
}

/** What the author of a schema means: a pattern without anchors is the whole text's, else it is found in it. */
export function parsePattern(pattern: string): Regex {
  if (pattern.length > LENGTH) throw wrong(pattern, 0, `has more than ${LENGTH} characters`);
  const parser = new Parser(pattern, false);
  const whole = parser.all();
  return parser.anchored ? parseRegex(pattern, true) : whole;
}

export const single = (codePoint: number): Regex => ({ kind: 'class', ranges: [[codePoint, codePoint]] });

/** Sorted, and joined where they touch. */
export function union(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [low, high] of sorted) {
    const last = joined.at(-1);
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else joined.push([low, high]);
  }
  return joined;
}

/** All code points that are characters and not in `ranges`. */
export function complement(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = [];
  let next = 0;
  for (const [low, high] of union([...ranges, [0xd800, 0xdfff]])) {
    if (low > next) gaps.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= LAST) gaps.push([next, LAST]);
  return gaps;
}

/** Any text. */
export const ANYTHING: Regex = {
  kind: 'repeat',
  part: { kind: 'class', ranges: complement([]) },
  min: 0,
  max: Infinity,
};

class Parser {
  private readonly chars: readonly string[];
  private at = 0;
  private depth = 0;
  /** An anchor has been seen. */
  anchored = false;

  constructor(
    private readonly pattern: string,
    private readonly found: boolean,
  ) {
    this.chars = [...pattern];
  }

  all(): Regex {
    const regex = this.choice(true, true);
    if (this.at < this.chars.length) throw this.wrong('has a ) too many');
    return regex;
  }

  /** `first`, `last`: nothing stands before, or after, what is parsed. */
  private choice(first: boolean, last: boolean): Regex {
    if (++this.depth > DEPTH) throw this.wrong('nests too deeply');
    const options = [this.sequence(first, last)];
    while (this.chars[this.at] === '|') {
      this.at++;
      options.push(this.sequence(first, last));
    }
    this.depth--;
    return options.length === 1 ? options[0] : { kind: 'choice', options };
  }

  private sequence(first: boolean, last: boolean): Regex {
    const parts: Regex[] = [];
    const inside = this.depth > 1;
    let [begins, ends] = [inside, inside];
    for (;;) {
      const char = this.chars[this.at];
      if (char === undefined || char === '|' || char === ')') break;
      if (char === '^' || char === '$') {
        this.anchored = true;
        if (inside && this.found) throw this.unsupported('an anchor in a group');
      }
      if (char === '^') {
        if (!first || parts.length > 0) throw this.unsupported('^ within a text');
        this.at++;
        begins = true;
      } else if (char === '$') {
        this.at++;
        ends = true;
        const next = this.chars[this.at];
        if (!last || (next !== undefined && next !== '|' && next !== ')')) throw this.unsupported('$ within a text');
      } else {
        parts.push(this.quantified(first && parts.length === 0, last));
      }
    }
    if (this.found && !begins) parts.unshift(ANYTHING);
    if (this.found && !ends) parts.push(ANYTHING);
    return parts.length === 1 ? parts[0] : { kind: 'sequence', parts };
  }

  private quantified(first: boolean, last: boolean): Regex {
    const start = this.at;
    let part = this.atom(first, last);
    for (let times = 0; ; times++) {
      const range = this.quantifier();
      if (!range) return part;
      if (times > 0) throw this.wrong('repeats a repetition');
      if (this.chars[this.at] === '?') this.at++;
      // Anchors inside would be repeated.
      if (this.chars.slice(start, this.at).some((char, i, all) => (char === '^' || char === '$') && isAnchor(all, i))) {
        throw this.unsupported('an anchor in a repetition');
      }
      part = { kind: 'repeat', part, ...range };
    }
  }

  private quantifier(): { min: number; max: number } | undefined {
    const char = this.chars[this.at];
    const simple = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] }[char ?? ''];
    if (simple) {
      this.at++;
      return { min: simple[0], max: simple[1] };
    }
    if (char !== '{') return undefined;
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.chars.slice(this.at, this.at + 24).join(''));
    if (!found) return undefined;
    this.at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3]);
    if (max < min) throw this.wrong('has a repetition that ends before it begins');
    if (min > REPEAT || (max > REPEAT && max < Infinity)) throw this.unsupported(`more than ${REPEAT} repetitions`);
    return { min, max };
  }

  private atom(first: boolean, last: boolean): Regex {
    const char = this.chars[this.at++];
    if (char === '(') return this.group(first, last);
    if (char === '.') return { kind: 'class', ranges: complement(LINE_ENDS) };
    if (char === '[') return { kind: 'class', ranges: this.set() };
    if (char === '\\') {
      const escaped = this.escape(false);
      return typeof escaped === 'number' ? single(escaped) : { kind: 'class', ranges: escaped };
    }
    if (char === '*' || char === '+' || char === '?') throw this.wrong('repeats nothing');
    return single(char.codePointAt(0)!);
  }

  private group(first: boolean, last: boolean): Regex {
    if (this.chars[this.at] === '?') {
      const kind = this.chars.slice(this.at, this.at + 3).join('');
      if (kind.startsWith('?:')) this.at += 2;
      else if (/^\?<[^=!]/.test(kind)) {
        const end = this.chars.indexOf('>', this.at);
        if (end < 0) throw this.wrong('has a group without a name');
        this.at = end + 1;
      } else if (/^\?<?[=!]/.test(kind)) throw this.unsupported('looking ahead or behind');
      else throw this.unsupported('a group of this kind');
    }
    const regex = this.choice(first, last && this.endsAfterGroup());
    if (this.chars[this.at++] !== ')') throw this.wrong('has a ( that is not closed (parenthesis)');
    return regex;
  }

  /** Whether nothing but ends of groups and anchors follows the group that has just begun. */
  private endsAfterGroup(): boolean {
    let open = 1;
    let inSet = false;
    let i = this.at;
    for (; i < this.chars.length && open > 0; i++) {
      const char = this.chars[i];
      if (char === '\\') i++;
      else if (inSet) inSet = char !== ']';
      else if (char === '[') inSet = true;
      else if (char === '(') open++;
      else if (char === ')') open--;
    }
    const next = this.chars[i];
    return next === undefined || next === '|' || next === ')' || next === '$';
  }

  private set(): Range[] {
    const negated = this.chars[this.at] === '^';
    if (negated) this.at++;
    const ranges: Range[] = [];
    for (;;) {
      const char = this.chars[this.at];
      if (char === undefined) throw this.wrong('has a [ that is not closed');
      this.at++;
      if (char === ']') break;
      const low = char === '\\' ? this.escape(true) : char.codePointAt(0)!;
      const next = this.chars[this.at + 1];
      if (typeof low === 'number' && this.chars[this.at] === '-' && next !== undefined && next !== ']') {
        this.at += 2;
        const high = next === '\\' ? this.escape(true) : next.codePointAt(0)!;
        if (typeof high !== 'number') {
          ranges.push([low, low], [45, 45], ...high);
        } else {
          if (high < low) throw this.wrong('has a range that ends before it begins');
          ranges.push([low, high]);
        }
      } else if (typeof low === 'number') ranges.push([low, low]);
      else ranges.push(...low);
    }
    return negated ? complement(ranges) : union(ranges);
  }

  /** What follows a backslash: one character, or a class. */
  private escape(inSet: boolean): number | Range[] {
    const char = this.chars[this.at++];
    if (char === undefined) throw this.wrong('ends with a backslash');
    if (char === 'd') return DIGIT;
    if (char === 'D') return complement(DIGIT);
    if (char === 'w') return WORD;
    if (char === 'W') return complement(WORD);
    if (char === 's') return SPACE;
    if (char === 'S') return complement(SPACE);
    if (char === 'p' || char === 'P') return this.property(char === 'P');
    if (char in CONTROLS && !(char === '0' && /\d/.test(this.chars[this.at] ?? ''))) return CONTROLS[char];
    if (char === 'x') return this.hex(2);
    if (char === 'u') return this.unicode();
    if (char === 'c') return (this.chars[this.at++]?.codePointAt(0) ?? 64) & 31;
    if (inSet && char === 'b') return 8;
    if (/[bB]/.test(char)) throw this.unsupported(`\\${char}`);
    if (/[1-9k]/.test(char)) throw this.unsupported('a reference to a group');
    return char.codePointAt(0)!;
  }

  private unicode(): number {
    if (this.chars[this.at] === '{') {
      const end = this.chars.indexOf('}', this.at);
      const code = Number.parseInt(this.chars.slice(this.at + 1, end).join(''), 16);
      if (end < 0 || !(code <= LAST)) throw this.wrong('has a character that does not exist');
      this.at = end + 1;
      return code;
    }
    const code = this.hex(4);
    const pair = this.chars[this.at] === '\\' && this.chars[this.at + 1] === 'u';
    if (code < 0xd800 || code > 0xdbff || !pair) return code;
    this.at += 2;
    return 0x10000 + ((code - 0xd800) << 10) + (this.hex(4) - 0xdc00);
  }

  private hex(digits: number): number {
    const text = this.chars.slice(this.at, this.at + digits).join('');
    if (text.length !== digits || !/^[0-9a-f]+$/i.test(text)) throw this.wrong('has a character that does not exist');
    this.at += digits;
    return Number.parseInt(text, 16);
  }

  /** \p{…}: the engine knows which characters have the property. */
  private property(negated: boolean): Range[] {
    const end = this.chars.indexOf('}', this.at);
    const name = this.chars.slice(this.at + 1, end).join('');
    if (this.chars[this.at] !== '{' || end < 0 || !/^[\w=]{1,60}$/.test(name))
      throw this.wrong('has \\p without a name');
    this.at = end + 1;
    let test: RegExp;
    try {
      test = new RegExp(`^\\p{${name}}$`, 'u');
    } catch {
      throw this.wrong(`has an unknown property ${name}`);
    }
    const ranges: Range[] = [];
    let start = -1;
    for (let code = 0; code <= LAST + 1; code++) {
      const inside = code <= LAST && (code < 0xd800 || code > 0xdfff) && test.test(String.fromCodePoint(code));
      if (inside && start < 0) start = code;
      if (!inside && start >= 0) {
        ranges.push([start, code - 1]);
        start = -1;
      }
    }
    return negated ? complement(ranges) : ranges;
  }

  private wrong(what: string): KaiwenError {
    return wrong(this.pattern, this.at, what);
  }

  private unsupported(what: string): KaiwenError {
    const shown = this.pattern.slice(0, 100);
    return new KaiwenError('unsupported', `The regular expression ${shown} asks for ${what}, which is not supported.`, {
      remedy: 'Write it without.',
    });
  }
}

function isAnchor(chars: readonly string[], i: number): boolean {
  if (chars[i - 1] === '\\') return false;
  const set = chars.lastIndexOf('[', i);
  return set < 0 || chars.indexOf(']', set) < i;
}

function wrong(pattern: string, at: number, what: string): KaiwenError {
  return new KaiwenError('bad_input', `The regular expression ${pattern.slice(0, 100)} ${what} (at ${at}).`);
}
