/** Whether an answer says what was expected. */
import { KaiwenError } from '../errors.js';
import type { Match } from './item.js';

/** Whether `answer` matches one of `expected`. A pattern that is none throws KaiwenError 'bad_input'. */
export function matches(answer: string, expected: readonly string[], match: Match): boolean {
  return expected.some((one) => MATCHERS[match](answer, one));
}

const MATCHERS: Readonly<Record<Match, (answer: string, expected: string) => boolean>> = {
  exact: (answer, expected) => plain(answer) === plain(expected),
  contains: (answer, expected) => plain(answer).includes(plain(expected)),
  numeric: (answer, expected) => {
    const [said, right] = [finalNumber(answer), finalNumber(expected)];
    if (said === undefined || right === undefined) return false;
    return Math.abs(said - right) <= 1e-6 * Math.max(1, Math.abs(right));
  },
  regex: (answer, expected) => pattern(expected).test(answer.trim()),
};

export function pattern(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch (cause) {
    throw new KaiwenError('bad_input', `${JSON.stringify(source)} is not a regular expression.`, {
      remedy: `${(cause as Error).message}.`,
      cause,
    });
  }
}

/** Case, width of characters, white space around and between words and a full stop at the end do not matter. */
function plain(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .trim()
    .replace(/[.。!]+$/u, '');
}

/** A number with an optional sign, thousands in groups or not, a fraction, an exponent. */
const NUMBER = /(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|(?<![\w.])[-+−]?\.\d+/giu;

/** The number that an answer comes to: behind `####`, in a `\boxed{}`, else the last one. */
export function finalNumber(text: string): number | undefined {
  const normal = text.normalize('NFKC');
  const marked = /####([^\n]*)/.exec(normal)?.[1] ?? [...normal.matchAll(/\\boxed\{([^{}]*)\}/g)].at(-1)?.[1];
  const found = marked?.match(NUMBER)?.[0] ?? normal.match(NUMBER)?.at(-1);
  return found === undefined ? undefined : Number(found.replaceAll(',', '').replace('−', '-'));
}
