import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nfc } from './normalize.js';

describe('nfc', () => {
  it('is the engine’s own on long runs of marks of every class', () => {
    const mark = fc.constantFrom(
      ...[
        '\u0301',
        '\u0308',
        '\u0323',
        '\u0334',
        '\u0345',
        '\u0315',
        '\u031b',
        '\u0344',
        '\u0f71',
        '\u0f73',
        '\u3099',
        '\u05b4',
      ],
      ...['\u093c', '\u094d', '\u0903', '\u20dd', '\u0e38', '\u{1d165}', '\u{1d15e}', '\u{10a0d}'],
    );
    const run = fc.array(mark, { minLength: 60, maxLength: 160 }).map((marks) => marks.join(''));
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 4 }), run, run, (base, first, second) => {
        const text = `${base}${first}e${second}`;
        expect(nfc(text)).toBe(text.normalize('NFC'));
      }),
      { numRuns: 60 },
    );
  });

  it('sorts a hundred thousand marks by class, each class in its old order', () => {
    const text = `a${'\u0301'.repeat(50_000)}${'\u0316\u0323'.repeat(50_000)}`;
    const sorted = `\u00e1${'\u0316\u0323'.repeat(50_000)}${'\u0301'.repeat(49_999)}`;
    // Not toBe: its message would hold both texts.
    expect(nfc(text) === sorted).toBe(true);
  });
});
