/** What every engine is asked to do; each runs in a process of its own, so that its memory can be told apart. */

export interface Settings {
  threads: number;
  /** Tokens that the cache must hold. */
  context: number;
}

/** Bytes, where an engine tells: weights, cache, and weights that decoding one token reads. */
export interface Sizes {
  weights: number;
  cache: number;
  perToken: number;
}

export interface Contender {
  /** Whatever is done once in a process, before any model. */
  start?(threads: number): Promise<void>;
  load(file: string, settings: Settings): Promise<Sizes | undefined>;
  /** Milliseconds to compute a prompt of `tokens` tokens and the logits after the last. */
  prefill(tokens: number): Promise<number>;
  /** Milliseconds to compute `tokens` tokens one after another, each with logits, after `context` others. */
  decode(context: number, tokens: number): Promise<number>;
}

/** Token ids that no engine can guess anything from. */
export function anyTokens(count: number, vocab: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919 + 13) % vocab);
}
