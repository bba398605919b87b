/** Log-probabilities in the two shapes that OpenAI's API has for them. */
import type { TokenLogprob } from '../../generate/api.js';

/** JSON has no -Infinity; OpenAI's API writes this. */
const finite = (value: number): number => Math.max(value, -9999);

/** An entry of `choices[].logprobs.content` of a chat completion. */
export function chatLogprob({ token, bytes, logprob, top }: TokenLogprob) {
  return {
    token,
    logprob: finite(logprob),
    bytes,
    top_logprobs: top.map((other) => ({ token: other.token, logprob: finite(other.logprob), bytes: other.bytes })),
  };
}

/** `choices[].logprobs` of a text completion: parallel arrays. `offset`: where the first token starts in the text. */
export function completionLogprobs(entries: readonly TokenLogprob[], offset: number) {
  let at = offset;
  return {
    tokens: entries.map(({ token }) => token),
    token_logprobs: entries.map(({ logprob }) => finite(logprob)),
    top_logprobs: entries.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, finite(logprob)] as const)),
    ),
    text_offset: entries.map(({ token }) => {
      const start = at;
      at += token.length;
      return start;
    }),
  };
}
