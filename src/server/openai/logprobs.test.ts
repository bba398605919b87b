import { expect, it } from 'vitest';
import { chatLogprob, completionLogprobs } from './logprobs.js';

const impossible = { id: 2, token: '__proto__', bytes: [95], logprob: Number.NEGATIVE_INFINITY };
const entry = { id: 1, token: 'a', bytes: [97], logprob: -0.5, top: [impossible] };

it('writes an impossible token as a number, which JSON can hold', () => {
  expect(chatLogprob(entry).top_logprobs).toEqual([{ token: '__proto__', bytes: [95], logprob: -9999 }]);
});

it('keeps a token whose text names a part of every object', () => {
  const { top_logprobs } = completionLogprobs([entry], 0);
  expect(JSON.stringify(top_logprobs)).toBe('[{"__proto__":-9999}]');
});
