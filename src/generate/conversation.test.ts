import { describe, expect, it } from 'vitest';
import { fitConversation } from './conversation.js';

type Message = { role: string; length: number };
const render = (messages: readonly Message[]) => ({
  tokens: messages.flatMap(({ length }, i) => new Array<number>(length).fill(i)),
  roles: messages.map(({ role, length }) => `${role[0]}${length}`).join(' '),
});
const conversation = (text: string): Message[] =>
  text.split(' ').map((word) => ({
    role: { s: 'system', u: 'user', a: 'assistant', t: 'tool' }[word[0]]!,
    length: Number(word.slice(1)),
  }));
const trim = (text: string, context: number, maxTokens?: number) => {
  const { rendered, notice } = fitConversation(conversation(text), render, context, maxTokens);
  return { kept: rendered.roles, notice };
};

describe('fitConversation', () => {
  it('keeps a conversation that fits', () => {
    expect(trim('s5 u10 a10 u10', 100)).toEqual({ kept: 's5 u10 a10 u10', notice: undefined });
  });

  it('drops as few oldest turns as make room for the answer, each whole, and says so', () => {
    expect(trim('s5 u10 a20 t5 a10 u10 a20 u10', 100)).toEqual({
      kept: 's5 u10 a20 u10',
      notice: 'The conversation is longer than the context of 100 tokens: the oldest turn was left out.',
    });
    expect(trim('u20 a20 u20 a20 u20 a20 u20', 100).kept).toBe('u20 a20 u20');
    expect(trim('u20 a20 u20 a20 u20 a20 u20', 100).notice).toMatch(/the 2 oldest turns were/);
  });

  it('leaves a quarter of the context for the answer, or what is asked for', () => {
    expect(trim('u40 a20 u20', 100).kept).toBe('u20');
    expect(trim('u40 a20 u20', 100, 5).kept).toBe('u40 a20 u20');
  });

  it("lets the last turn take some of the answer's room", () => {
    expect(trim('s10 u40 a5 u80', 100).kept).toBe('s10 u80');
    expect(trim('u80', 100)).toEqual({ kept: 'u80', notice: undefined });
  });

  it('says how long a last turn is that does not fit', () => {
    expect(() => trim('s10 u40 a5 u90', 100)).toThrow(
      /The last turn and the system message need 100 tokens.*holds 100/,
    );
    expect(() => trim('u500', 100)).toThrow(expect.objectContaining({ code: 'context_overflow' }));
  });

  it('refuses a conversation without messages', () => {
    expect(() => fitConversation([], render, 100)).toThrow(expect.objectContaining({ code: 'bad_input' }));
  });
});
