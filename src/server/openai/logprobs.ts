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

/** A token of the prompt may have no log-probability, and none of them has alternatives. */
export type PromptLogprob =
  | Pick<TokenLogprob, 'token' | 'logprob' | 'top'>
  | { token: string; logprob: number | null; top: null };

/** `choices[].logprobs` of a text completion: parallel arrays. `offset`: where the first token starts in the text. */
export function completionLogprobs(entries: readonly PromptLogprob[], offset: number) {
  let at = offset;
  return {
    tokens: entries.map(({ token }) => token),
    token_logprobs: entries.map(({ logprob }) => (logprob === null ? null : finite(logprob))),
    top_logprobs: entries.map(({ top }) =>
      top === null ? null : Object.fromEntries(top.map(({ token, logprob }) => [token, finite(logprob)] as const)),
    ),
    text_offset: entries.map(({ token }) => {
      const start = at;
      at += token.length;
      return start;
    }),
  };
}
