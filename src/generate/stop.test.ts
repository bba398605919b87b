import fc from 'fast-check';
import { expect, it } from 'vitest';
import { StopMatcher } from './stop.js';

function run(stops: string[], chunks: string[]) {
  const matcher = new StopMatcher(stops);
  let shown = '';
  for (const chunk of chunks) shown += matcher.push(chunk);
  return { shown: shown + matcher.end(), stopped: matcher.stopped };
}

it('cuts before a stop string that comes in pieces, and never shows a part of it', () => {
  const matcher = new StopMatcher(['\nUser:']);
  expect(['Yes', '.\n', 'Us', 'ers', '\nUse', 'r: hi', 'more'].map((chunk) => matcher.push(chunk))).toEqual([
    'Yes',
    '.',
    '',
    '\nUsers',
    '',
    '',
    '',
  ]);
  expect(matcher.stopped).toBe(true);
  expect(matcher.end()).toBe('');
});

it('gives back what only looked like a stop string', () => {
  expect(run(['</end>'], ['a </', 'en'])).toEqual({ shown: 'a </en', stopped: false });
});

it('refuses an empty stop string', () => {
  expect(() => new StopMatcher(['a', ''])).toThrow(/empty/);
});

it('finds what reading character by character finds, however the text is cut', () => {
  const letters = fc.stringMatching(/^[ab]{0,30}$/);
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[ab]{1,4}$/), { maxLength: 3 }), fc.array(letters), (stops, chunks) => {
      const text = chunks.join('');
      let expected = { shown: text, stopped: false };
      for (let end = 1; end <= text.length && !expected.stopped; end++) {
        const ends = stops.filter((stop) => text.slice(0, end).endsWith(stop));
        const longest = Math.max(...ends.map((stop) => stop.length));
        if (ends.length > 0) expected = { shown: text.slice(0, end - longest), stopped: true };
      }
      expect(run(stops, chunks)).toEqual(expected);
    }),
  );
});
