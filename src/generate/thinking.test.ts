import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ThinkingSplitter } from './thinking.js';

function split(open: boolean, ...chunks: string[]) {
  const splitter = new ThinkingSplitter(open);
  const result = { thinking: '', text: '' };
  for (const { type, text } of [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()]) {
    result[type] += text;
  }
  return result;
}

it.each([
  ['a block the model opens', false, '<think>\nHm.\n\nYes.\n</think>\n\nIt is.\n', 'Hm.\n\nYes.', 'It is.\n'],
  ['a block the template opened', true, 'Hm.\n</think>\n\nIt is.', 'Hm.', 'It is.'],
  ['an empty block', false, '<think>\n\n</think>\n\nIt is.', '', 'It is.'],
  ['no block', false, '\nIt is.', '', '\nIt is.'],
  ['a block that does not end', true, 'Hm, </thi', 'Hm, </thi', ''],
  ['tags in the answer', false, 'Write <think>x</think>.', '', 'Write <think>x</think>.'],
  ['tags after the block', true, 'Hm.</think>Write </think>.', 'Hm.', 'Write </think>.'],
  ['an opening that is none', false, ' <thin ice>', '', ' <thin ice>'],
])('splits %s, however the text is cut', (_, open, whole, thinking, text) => {
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length)), (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), whole.length];
      const chunks = ends.map((end, i) => whole.slice(i === 0 ? 0 : ends[i - 1], end));
      expect(split(open, ...chunks)).toEqual({ thinking, text });
    }),
  );
});

it('shows thinking as it comes', () => {
  const splitter = new ThinkingSplitter(true);
  expect(splitter.push('Let me see')).toEqual([{ type: 'thinking', text: 'Let me see' }]);
  expect(splitter.push('.\n')).toEqual([{ type: 'thinking', text: '.' }]);
  expect(splitter.push('Well')).toEqual([{ type: 'thinking', text: '\nWell' }]);
});
