/**
 * The alphabet in which byte-level vocabularies are written: GPT-2 gave each of the 256 bytes a visible character.
 * Printable Latin-1 stands for itself; the 68 others follow from U+0100 in order.
 */
const printable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** The visible character of each byte. */
export const BYTE_CHARS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

/** The byte of each visible character below U+0144; -1 where a character stands for none. */
export const CHAR_BYTES: Int16Array = (() => {
  const bytes = new Int16Array(0x144).fill(-1);
  for (let byte = 0; byte < 256; byte++) bytes[BYTE_CHARS[byte]!.charCodeAt(0)] = byte;
  return bytes;
})();

/** Writes `bytes[start, end)` in visible characters. */
export function toAlphabet(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) text += BYTE_CHARS[bytes[i]!];
  return text;
}
