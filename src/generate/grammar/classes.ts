/**
 * Classes of characters in a client's grammar, as the library should read them: it takes what is above 7F in `[…]` for
 * bytes, so that [一-龥] would be anything, and lets [^a] be bytes that are no character. Such classes are written out as bytes; the
 * rest stays as it is.
 */
import { classBody } from './ebnf.js';
import { complement, type Range, union } from './regex.js';

/** One token of the notation: a text, a comment, a class, or anything else. */
const TOKEN = /"(?:[^"\\\n]|\\.)*"|#[^\n]*|\[(\^?)((?:[^\]\\\n]|\\.)*)\]|[^"#[]+|./gsu;
const MEMBER = /\\x([0-9a-fA-F]+)|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\(.)|(.)/gsu;
const SHORT: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, f: 12, v: 11, a: 7, '0': 0, e: 27 };

export function mendClasses(grammar: string): string {
  return grammar.replace(TOKEN, (token, negated: string | undefined, members: string | undefined) => {
    const ranges = members === undefined ? undefined : rangesOf(members);
    if (!ranges || (!negated && ranges.every(([, high]) => high < 0x80))) return token;
    return `(${classBody(negated ? complement(ranges) : ranges, 'text')})`;
  });
}

/** Nothing where the library will say what is wrong. */
function rangesOf(members: string): Range[] | undefined {
  const codes: { code: number; dash: boolean }[] = [];
  for (const [text, x, u, long, escaped, plain] of members.matchAll(MEMBER)) {
    const hex = x ?? u ?? long;
    const code =
      hex !== undefined
        ? Number.parseInt(hex, 16)
        : escaped !== undefined
          ? (SHORT[escaped] ?? escaped.codePointAt(0)!)
          : plain.codePointAt(0)!;
    if (!(code <= 0x10ffff)) return undefined;
    codes.push({ code, dash: text === '-' });
  }
  const ranges: Range[] = [];
  for (let i = 0; i < codes.length; i++) {
    const last = codes[i + 2];
    if (codes[i + 1]?.dash && last) {
      if (last.code < codes[i].code) return undefined;
      ranges.push([codes[i].code, last.code]);
      i += 2;
    } else ranges.push([codes[i].code, codes[i].code]);
  }
  return ranges.length === 0 ? undefined : union(ranges);
}
