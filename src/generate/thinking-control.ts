/** What an engine has to know of thinking: the tags as tokens, and how thinking is closed when its budget is spent. */
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { ThinkingControl } from './engine.js';
import { END_THINK, THINK } from './thinking.js';

/** Thinking that is cut short should lead to an answer, so it says that one comes. */
const CLOSING = '\n\nThere is no room to think on, so I answer now with what I have so far.\n';

/**
 * `open`: the prompt ends inside the block. `budget`: the most tokens of thinking. Undefined where a block that the
 * model opens could not be told from text, because the tags are no tokens of their own.
 */
export function thinkingControl(tokenizer: Tokenizer, open: boolean, budget?: number): ThinkingControl | undefined {
  const [start, end] = [THINK, END_THINK].map((tag) => {
    const id = tokenizer.controlTokens.get(tag);
    return id === undefined ? tokenizer.encode(tag) : [id];
  });
  if (!open && start.length > 1) return undefined;
  const closing = budget === 0 ? [] : tokenizer.encode(CLOSING);
  const close = [...closing, ...end, ...tokenizer.encode('\n\n')];
  return { open, start, end, close, ...(budget !== undefined && { budget }) };
}
