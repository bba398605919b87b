import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PATTERNS, type PatternName } from './pretokenize.js';
import { RegexSplitter, translateRegex } from './regex.js';
import { Scanner } from './scanner.js';

const utf8 = new TextEncoder();

function pieces(splitter: Scanner | RegexSplitter, text: string): string[] {
  const bytes = utf8.encode(text);
  const found: string[] = [];
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  splitter.split(text, bytes, bytes.length, (start, end) => found.push(decoder.decode(bytes.subarray(start, end))));
  return found;
}

/** Characters on both sides of every distinction that the patterns make. */
const edges = fc.constantFrom(
  ...[
    "'",
    's',
    'S',
    'T',
    'ſ',
    'r',
    'E',
    'v',
    'L',
    'l',
    'M',
    'd',
    'x',
    'é',
    '的',
    'あ',
    'ǅ',
    '𐐀',
    '\u0301',
    '\u0903',
    '\u20dd',
  ],
  ...[
    '1',
    '2',
    '٣',
    '½',
    'Ⅷ',
    '𝟘',
    ' ',
    '\u00a0',
    '\u3000',
    '\u0085',
    '\u2028',
    '\ufeff',
    '\t',
    '\n',
    '\r',
    '\v',
    '\x1c',
  ],
  ...['_', '!', '。', '<', '©', '😀', '\u200d', '\0', '\ud800', '\ue000', '\u{10ffff}'],
);
const texts = fc.oneof(
  fc.array(edges, { maxLength: 24 }).map((chars) => chars.join('')),
  fc.string({ unit: 'binary', maxLength: 24 }),
  fc.string({ unit: 'grapheme', maxLength: 24 }),
);

describe('the scanners cut as their patterns do', () => {
  for (const name of Object.keys(PATTERNS) as PatternName[]) {
    it(name, () => {
      const scanner = new Scanner(PATTERNS[name].style);
      const regex = new RegexSplitter([translateRegex(PATTERNS[name].pattern)]);
      fc.assert(
        fc.property(texts, (text) => {
          expect(pieces(scanner, text)).toEqual(pieces(regex, text.replace(/\p{Surrogate}/gu, '\ufffd')));
        }),
        { numRuns: 3000 },
      );
    });
  }

  it('knows every code point as the pattern does', () => {
    const scanner = new Scanner(PATTERNS.qwen35.style);
    const regex = new RegexSplitter([translateRegex(PATTERNS.qwen35.pattern)]);
    // Between a letter and a digit, the class of a character shows in where the cuts lie.
    for (let first = 0; first < 0x110000; first += 0x400) {
      let text = '';
      for (let code = first; code < first + 0x400; code++) {
        if (code < 0xd800 || code > 0xdfff) text += `a${String.fromCodePoint(code)}1`;
      }
      expect(pieces(scanner, text).join('|')).toBe(pieces(regex, text).join('|'));
    }
  });
});

describe('translateRegex', () => {
  it('keeps the meaning of what differs between the two languages', () => {
    expect(translateRegex("(?i:'re)|x").source).toBe("(?:'[rR][eE])|x");
    expect('\ufeff\u0085'.match(translateRegex('\\s'))).toEqual(['\u0085']);
    expect('\ufeff\u0085'.match(translateRegex('[^\\s]'))).toEqual(['\ufeff']);
  });

  it.each(['\\w+', '^a', '.', 'a++', '[a&&b]', '[[:alpha:]]', '(?>a)', '(?i:[a-z])', 'a\\', '(', '\\h'])(
    'refuses %s',
    (pattern) => {
      expect(() => translateRegex(pattern)).toThrow(expect.objectContaining({ code: 'unsupported' }));
    },
  );

  it('leaves nothing out between matches, and applies patterns in turn', () => {
    const splitter = new RegexSplitter([translateRegex('\\p{N}'), translateRegex(' ?\\p{L}+')]);
    expect(pieces(splitter, 'ab 12 的é, \ud800x')).toEqual(['ab', ' ', '1', '2', ' 的é', ', \ufffd', 'x']);
  });
});
