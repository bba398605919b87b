/**
 * Character classes for the hand-written scanners: what `\p{L}`, `\p{N}`, `\p{M}` and white space say of a code
 * point, looked up in pages of 256 that are filled with the engine's own regular expressions when first touched.
 */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const MARK = 4;
export const SPACE = 8;

const CLASSES: [RegExp, number][] = [
  [/^\p{L}$/u, LETTER],
  [/^\p{N}$/u, NUMBER],
  [/^\p{M}$/u, MARK],
  [/^\p{White_Space}$/u, SPACE],
];

const pages: (Uint8Array | undefined)[] = new Array(0x1100);

function fillPage(index: number): Uint8Array {
  const page = new Uint8Array(256);
  for (let i = 0; i < 256; i++) {
    const char = String.fromCodePoint(index * 256 + i);
    page[i] = CLASSES.find(([pattern]) => pattern.test(char))?.[1] ?? OTHER;
  }
  return (pages[index] = page);
}

/** The class of a code point (0 to 0x10FFFF). */
export function classOf(codePoint: number): number {
  const index = codePoint >> 8;
  return (pages[index] ?? fillPage(index))[codePoint & 255]!;
}

/** The classes of the first 128 code points. */
export const ASCII_CLASSES: Uint8Array = fillPage(0).subarray(0, 128);
