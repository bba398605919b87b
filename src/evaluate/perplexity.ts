/**
 * How well a model predicts a text: exp of the mean negative log-likelihood of its tokens. A plain text is cut into
 * windows that do not overlap; the first token of a window has nothing before it and is not scored.
 */
import type { Engine } from '../generate/engine.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

export interface PieceScore {
  /** Negative log-likelihood of the scored tokens, natural logarithm. */
  nll: number;
  /** Tokens scored. */
  tokens: number;
}

/** A text as windows of at most `length` tokens, each beginning as the model's documents do. */
export function windows(text: string, control: boolean, tokenizer: Tokenizer, length: number): number[][] {
  const start = documentStart(tokenizer);
  const ids = tokenizer.encode(text, { control });
  const step = Math.max(1, length - start.length);
  const pieces: number[][] = [];
  for (let at = 0; at < ids.length; at += step) pieces.push([...start, ...ids.slice(at, at + step)]);
  return pieces;
}

/** What a document begins with by the model's convention. */
export function documentStart({ addBos, bosToken }: Tokenizer): number[] {
  return addBos && bosToken !== undefined ? [bosToken] : [];
}

/**
 * Scores one window; a window of one token has nothing to score. `counts`: which of its tokens count; by default all
 * but the first.
 */
export async function scorePiece(
  engine: Engine,
  ids: readonly number[],
  adapter?: string,
  counts: (index: number) => boolean = () => true,
): Promise<PieceScore> {
  const score = { nll: 0, tokens: 0 };
  if (ids.length < 2) return score;
  for (const [i, logprob] of (await engine.score(ids, undefined, adapter)).entries()) {
    if (!counts(i + 1)) continue;
    score.nll -= logprob;
    score.tokens++;
  }
  return score;
}
