/**
 * Text to token ids and back. Control tokens (`<|im_end|>`, `<think>`) are recognised in text only when the
 * caller says so: what a user typed never becomes one.
 */
export interface Tokenizer {
  /** Number of ids, control tokens and gaps included: every id is below it. */
  readonly vocabSize: number;
  /** Content of each control token (every token added beside the merges) to its id. */
  readonly controlTokens: ReadonlyMap<string, number>;
  readonly bosToken?: number;
  readonly eosTokens: readonly number[];
  /** Whether a prompt starts with the bos token by this model's convention. */
  readonly addBos: boolean;
  /** `control`: parse control tokens in `text` (a rendered template), default false (a user's text). */
  encode(text: string, options?: { control?: boolean }): number[];
  /**
   * `control`: write every control token out, default false: those that the model marks as special (`<|im_end|>`)
   * vanish, the others (`<think>`, `<tool_call>`) stay. Invalid UTF-8 becomes U+FFFD. An id without a token (a
   * padding row of the embedding) writes nothing.
   */
  decode(ids: Iterable<number>, options?: { control?: boolean }): string;
  /** A streaming decoder: holds bytes back until they make whole characters. */
  decoder(options?: { control?: boolean }): StreamDecoder;
  /** The bytes that a token stands for, a control token's text included; empty for an id without a token. Not to be changed. */
  bytes(id: number): Uint8Array;
}

export interface StreamDecoder {
  /** Text that became complete with this id; may be empty. */
  push(id: number): string;
  /** What is left, incomplete bytes as U+FFFD. */
  end(): string;
}
