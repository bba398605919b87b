import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageBuilder, PASTED_NEWLINE } from './message-builder.js';
import { PasteFilter } from './paste-filter.js';

function build(...lines: string[]): (string | undefined)[] {
  const builder = new MessageBuilder();
  return lines.map((line) => builder.add(line));
}

test('a line is a message; a closing backslash or triple quotes make it longer', () => {
  expect(build('hello')).toEqual(['hello']);
  expect(build('one \\', 'two\\', 'three')).toEqual([undefined, undefined, 'one \ntwo\nthree']);
  expect(build('"""', 'one', '  two', '"""')).toEqual([undefined, undefined, undefined, 'one\n  two\n']);
  expect(build('"""one', 'two\\', 'three"""')).toEqual([undefined, undefined, 'one\ntwo\\\nthree']);
  expect(build('"""one"""', 'next')).toEqual(['one', 'next']);
  expect(build('say """', 'next')).toEqual(['say """', 'next']);
});

test('reset forgets an unfinished message', () => {
  const builder = new MessageBuilder();
  builder.add('"""');
  expect(builder.pending).toBe(true);
  builder.reset();
  expect(builder.pending).toBe(false);
  expect(builder.add('hello')).toBe('hello');
});

/** What readline would read from the terminal's bytes, fed in pieces cut at the given places. */
async function throughFilter(bytes: Buffer, cuts: readonly number[]): Promise<string> {
  const filter = new PasteFilter();
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    if (to > from) filter.write(bytes.subarray(from, to));
    from = to;
  }
  filter.end();
  const out: Buffer[] = [];
  for await (const chunk of filter) out.push(chunk);
  return Buffer.concat(out).toString();
}

test('a pasted text keeps its lines and sends nothing, wherever the terminal cuts it', async () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replace(/[\p{Cc}\u200b\\]|"""/gu, ''));
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 5 }), fc.array(fc.nat()), async (lines, cuts) => {
      const bytes = Buffer.from(`\x1b[200~${lines.join('\r\n')}\x1b[201~`);
      // Cuts inside the opening mark are the terminal's affair: ESC alone is a key.
      const read = await throughFilter(
        bytes,
        cuts.map((cut) => cut + 6).filter((cut) => cut < bytes.length),
      );
      expect(read).toBe(lines.join(`${PASTED_NEWLINE}\r`));
      const message = build(...read.split('\r')).at(-1);
      expect(message).toBe(lines.join('\n'));
    }),
    { numRuns: 200 },
  );
});

test('a paste cannot press keys; keys outside a paste pass', async () => {
  expect(await throughFilter(Buffer.from('\x1b[200~a\x03\x04\x1bb\tc\x7f\x1b[201~'), [])).toBe('ab\tc');
  expect(await throughFilter(Buffer.from('\x1b[A\x03x\r'), [])).toBe('\x1b[A\x03x\r');
});
