/** What every engine is asked to do. */

export interface Settings {
  threads: number;
  /** Tokens that the cache of one sequence must hold. */
  context: number;
  /** Sequences that are computed at once. */
  sequences: number;
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
  /**
   * Milliseconds to compute `tokens` tokens one after another, each with logits, after `context` others; with several
   * sequences one token of each in every step.
   */
  decode(context: number, tokens: number, sequences: number): Promise<number>;
}

/** Token ids that no engine can guess anything from; a shorter list is the start of a longer one. */
export function anyTokens(count: number, vocab: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919 + 13) % vocab);
}
