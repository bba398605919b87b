import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MAX_PERIOD, MIN_REPEATS, MIN_TOKENS, RepetitionDetector } from './repetition.js';

/** How many tokens it takes until the detector trips; undefined if it never does. */
function trips(ids: Iterable<number>): number | undefined {
  const detector = new RepetitionDetector();
  let count = 0;
  for (const id of ids) {
    count++;
    if (detector.push(id)) return count;
  }
  return undefined;
}

/** Nearly what a tokenizer does: words with their space, digits and marks one by one. */
function tokens(text: string): number[] {
  const ids = new Map<string, number>();
  return (text.match(/ ?\p{L}+|\d|[^\p{L}\d]/gu) ?? []).map((piece) => {
    if (!ids.has(piece)) ids.set(piece, ids.size);
    return ids.get(piece)!;
  });
}

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

it('finds every loop, soon after it has gone round often enough', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 200 }),
      fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: MAX_PERIOD }),
      (before, block) => {
        const needed = Math.max(MIN_TOKENS, MIN_REPEATS * block.length);
        const loop = Array.from({ length: needed }, (_, i) => block[i % block.length]);
        const found = trips([...before, ...loop]);
        expect(found).toBeDefined();
        expect(found).toBeGreaterThanOrEqual(needed);
      },
    ),
  );
});

it('never finds one in tokens without repetition, nor in a loop that one token breaks', () => {
  expect(trips(Array.from({ length: 20_000 }, (_, i) => (i * i) % 7919))).toBeUndefined();
  const broken = Array.from({ length: 5000 }, (_, i) => (i % 200 === 199 ? i : i % 7));
  expect(trips(broken)).toBeUndefined();
});

it.each([
  ['a multiplication table', lines(30, (i) => lines(30, (j) => `${i} × ${j} = ${i * j}`))],
  ['a numbered list', lines(300, (i) => `${i + 1}. The item is in stock.`)],
  ['a Markdown table', `|---|---|---|---|\n${lines(200, (i) => `| row ${i} | yes | yes | yes |`)}`],
  ['empty table rows', lines(20, () => '| | | | |')],
  ['indented code', lines(200, (i) => `${' '.repeat(40)}case ${i}:\n${' '.repeat(44)}return ${i * 3};`)],
  ['a googol', `1${'0'.repeat(100)}`],
  ['one third', `0.${'3'.repeat(200)}`],
  ['a ruler', '-'.repeat(200)],
  ['an identity matrix', lines(24, (i) => lines(24, (j) => (i === j ? '1,' : '0,')).replaceAll('\n', ' '))],
  [
    'a chorus',
    lines(3, (i) => `verse ${i} of the song\n${lines(3, () => 'row row row your boat gently down the stream')}`),
  ],
])('leaves %s alone', (_, text) => {
  expect(trips(tokens(text))).toBeUndefined();
});

it.each([
  ['one word', 'the '.repeat(400)],
  ['a sentence', 'I am sorry, but I cannot help with that. '.repeat(60)],
  ['a paragraph', `${lines(20, (i) => `Point ${i} is that it matters a great deal.`)}\n`.repeat(6)],
])('finds %s again and again', (_, text) => {
  expect(trips(tokens(text))).toBeDefined();
});
