/**
 * Makes a conversation fit the context by dropping its oldest turns, whole: a turn is a user's message and all that
 * follows up to the next one. System messages at the beginning stay, and the last turn stays. Room is left for the
 * answer: a quarter of the context, or less where the caller asks for fewer tokens.
 */
import { KaiwenError } from '../errors.js';

export interface Fitted<Rendered> {
  rendered: Rendered;
  /** What was left out, for the user. */
  notice?: string;
}

/**
 * `render` turns messages into tokens; `context` is the number of tokens that the cache holds. Throws KaiwenError
 * 'context_overflow' when the last turn alone does not fit, 'bad_input' when there is no message.
 */
export function fitConversation<Message extends { role: string }, Rendered extends { tokens: readonly number[] }>(
  messages: readonly Message[],
  render: (messages: readonly Message[]) => Rendered,
  context: number,
  maxTokens = Number.POSITIVE_INFINITY,
): Fitted<Rendered> {
  if (messages.length === 0) {
    throw new KaiwenError('bad_input', 'The conversation has no messages.', { remedy: 'Send at least one.' });
  }
  const limit = context - Math.max(1, Math.min(maxTokens, Math.floor(context / 4)));
  const whole = render(messages);
  if (whole.tokens.length <= limit) return { rendered: whole };

  const { head, turns } = splitTurns(messages);
  const without = (dropped: number) => render([...head, ...turns.slice(dropped).flat()]);
  let best = { dropped: turns.length - 1, rendered: turns.length > 1 ? without(turns.length - 1) : whole };
  // The fewest turns whose absence makes room; lengths fall as turns go, so bisect.
  let low = 1;
  let high = turns.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const rendered = without(middle);
    if (rendered.tokens.length <= limit) {
      best = { dropped: middle, rendered };
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const needed = best.rendered.tokens.length;
  // The last turn may take some of the answer's room, but not all of it.
  if (needed >= context) {
    throw new KaiwenError(
      'context_overflow',
      `The last turn${head.length > 0 ? ' and the system message need' : ' needs'} ${needed} tokens, the context holds ${context}.`,
      { remedy: 'Shorten the message, or load the model with a larger context.' },
    );
  }
  if (best.dropped === 0) return { rendered: best.rendered };
  const dropped = best.dropped === 1 ? 'the oldest turn was' : `the ${best.dropped} oldest turns were`;
  const notice = `The conversation is longer than the context of ${context} tokens: ${dropped} left out.`;
  return { rendered: best.rendered, notice };
}

function splitTurns<Message extends { role: string }>(messages: readonly Message[]) {
  const first = messages.findIndex(({ role }) => role !== 'system');
  const start = first < 0 ? messages.length : first;
  const turns: Message[][] = [];
  for (const message of messages.slice(start)) {
    if (message.role === 'user' || turns.length === 0) turns.push([message]);
    else turns[turns.length - 1].push(message);
  }
  return { head: messages.slice(0, start), turns };
}
