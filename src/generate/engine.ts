/**
 * The engine's contract. An engine holds one model in its own worker thread and knows token ids, not text:
 * tokenising, chat templates and stop strings are its callers' business. As many calls as the engine holds sequences
 * run at the same time, the others wait in the order they came; the thread that calls never computes.
 */
import type { IsaName } from '../tensor/native/isa.js';
import type { NativeChoice } from '../tensor/native/native.js';
import type { KvType } from '../tensor/ops/kv.js';

export interface SamplingParams {
  /** 0 is greedy. */
  temperature: number;
  /** 0: off. */
  topK: number;
  /** 1: off. */
  topP: number;
  /** 0: off. */
  minP: number;
  /** 1: off. Divides positive and multiplies negative logits of every token seen in prompt or answer (CTRL, arXiv:1909.05858). */
  repetitionPenalty: number;
  /** 0: off. Subtracted once from tokens the answer already holds (OpenAI's definition). */
  presencePenalty: number;
  /** 0: off. Subtracted for each time the answer holds the token (OpenAI's definition). */
  frequencyPenalty: number;
  /** Same seed, same tokens. Drawn at random if absent. */
  seed?: number;
  /** Added to the logits of these ids before anything else. */
  logitBias?: Readonly<Record<number, number>>;
}

export type FinishReason = 'stop' | 'length' | 'repetition' | 'aborted' | 'timeout';

/** Where an answer's thinking begins and ends, in token ids, and how much of it there may be. */
export interface ThinkingControl {
  /** The prompt ends inside it. Else it begins where the answer begins with `start`. */
  open: boolean;
  start: readonly number[];
  end: readonly number[];
  /** The most tokens of thinking, exact; then those of `close` are put into the answer. */
  budget?: number;
  /** Ends with `end`, or with `end` and blank lines. */
  close: readonly number[];
}

/** What an answer must match, from its first token after thinking to its last. */
export type GrammarSource =
  | { kind: 'json' }
  /** JSON Schema, draft 2020-12, as JSON text. */
  | { kind: 'json_schema'; schema: string }
  | { kind: 'regex'; pattern: string }
  /** Extended Backus-Naur form as xgrammar reads it; the rule `root` is the answer. */
  | { kind: 'ebnf'; grammar: string }
  /** xgrammar's structural tag as JSON text: free text with constrained parts. */
  | { kind: 'structural'; tag: string };

export interface GenerateRequest {
  /** The prompt; must be shorter than the context. */
  tokens: readonly number[];
  /** Name of the adapter that answers; absent: the model as it is. */
  adapter?: string;
  maxTokens: number;
  /** Generation ends when one of these is drawn; it is not reported as a token. */
  stopTokens: readonly number[];
  sampling: SamplingParams;
  /** Report the log-probability of each token and of this many most likely ones (0: of the token alone). Absent: none. */
  logprobs?: number;
  /** Stop endless repetition with finish reason 'repetition'. */
  detectRepetition: boolean;
  /** Counts thinking, and ends it where it may not go on. */
  thinking?: ThinkingControl;
  /** Tokens that would break it cannot be drawn. A source that cannot be compiled fails before the first event. */
  grammar?: GrammarSource;
  /** Requests of one group take turns with those of others (an API key's id). Absent: one common group. */
  group?: string;
  /** Milliseconds from now after which the answer ends with reason 'timeout', whether it has begun or not. */
  timeoutMs?: number;
}

export interface TokenEvent {
  type: 'token';
  id: number;
  /** Natural logarithm, of the distribution before temperature and filters. */
  logprob?: number;
  top?: { id: number; logprob: number }[];
}

export interface GenerateStats {
  promptTokens: number;
  /** Of these, how many were in the KV cache already. */
  cachedTokens: number;
  completionTokens: number;
  /** Of these, how many were thinking; absent where nobody counts. */
  thinkingTokens?: number;
  prefillMs: number;
  decodeMs: number;
  speculation: SpeculationStats;
}

/** What came of drafting tokens ahead. */
export interface SpeculationStats {
  /** Steps that computed a draft. */
  steps: number;
  /** Tokens proposed in them, and those that were drawn. */
  drafted: number;
  accepted: number;
}

export interface DoneEvent {
  type: 'done';
  reason: FinishReason;
  stats: GenerateStats;
}

export interface LoadProgress {
  loadedBytes: number;
  totalBytes: number;
}

/** An adapter to load beside a model: its path and the name that requests call it by. */
export interface AdapterSource {
  name: string;
  path: string;
}

export interface EngineOptions {
  /** LoRA adapters in PEFT's layout; each request says which one answers it, if any. */
  adapters?: readonly AdapterSource[];
  /** Team members; default: physical cores. */
  threads?: number;
  /** Tokens of context; default: the model's, at most 8,192 and what memory allows. */
  context?: number;
  /** Generations that run at the same time and share the cache's pages: 1 (default) to 256, or up to 64 as memory allows. */
  sequences?: number | 'fitting';
  /** Memory for keys and values of all sequences; default what they will usually need, and memory allows. */
  cacheBytes?: number;
  /**
   * Where prefixes that were shared go when memory needs their pages, at most so many bytes; they are found again after a
   * restart. Absent: nowhere. Not for models with recurrent layers.
   */
  spill?: { folder: string; bytes: number };
  /** Element type of the KV cache; default f16. int8 (blocks of 32 with a scale) takes 0.53 of its memory. */
  kv?: KvType;
  /** Tokens computed at once in prefill; default 512. */
  chunk?: number;
  /** Draft tokens by prompt lookup where that pays; never changes an answer. Default true; 'always' asks no price. */
  speculate?: boolean | 'always';
  /** `plain` forces the build without relaxed SIMD (KAIWEN_SIMD). */
  simd?: 'plain' | 'relaxed';
  /** Machine code for the innermost loops: an instruction set, the best this processor has (default), or `off` (KAIWEN_NATIVE). */
  native?: NativeChoice;
  /** Most bytes of weights and cache in one arena; default what 4 GiB holds. Small values spread a small model over several. */
  arenaBytes?: number;
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

/** What the engine says about an adapter it holds. */
export interface AdapterInfo {
  name: string;
  kind: 'LoRA' | 'rsLoRA' | 'DoRA';
  rank: number;
  /** Numbers it adds, and their bytes in memory. */
  parameters: number;
  bytes: number;
}

/** What the engine says about the model it holds. */
export interface EngineInfo {
  architecture: string;
  parameters: number;
  vocabSize: number;
  hiddenSize: number;
  /** Tokens that the KV cache of each sequence holds. */
  context: number;
  sequences: number;
  /** The model's own limit. */
  maxContext: number;
  threads: number;
  simd: 'plain' | 'relaxed';
  /** Instruction set of the machine code that runs the innermost loops; null: WebAssembly runs everything. */
  native: IsaName | null;
  kv: KvType;
  /** Bytes of weights as held in memory, and of KV cache and recurrent state of all sequences. */
  weightBytes: number;
  cacheBytes: number;
  /** Bytes of weights that decoding one token reads. */
  bytesPerToken: number;
  loadMs: number;
  adapters: readonly AdapterInfo[];
  notices: readonly string[];
}

/** What an engine has done and is doing: a snapshot, at most 250 ms old while it works. Counts are since it was loaded. */
export interface EngineStatus {
  /** Requests without memory yet (or any more), and those being answered. */
  waiting: number;
  running: number;
  /** Decoding steps, their rows in all (rows / steps is the size of a batch), and their milliseconds in all. */
  steps: number;
  rows: number;
  stepMs: number;
  /** Chunks of prompts computed between those steps, and their milliseconds in all. */
  chunks: number;
  chunkMs: number;
  /** Tokens of prompts that were begun, and how many of them were known already. */
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** Answers that had to give their memory back for a while. */
  preemptions: number;
  /** How often a failed engine was started anew. */
  restarts: number;
  /** The cache's pages: tokens in each; how many there are, are in use, hold what may be asked for again, lie on disk; tokens of prompts found there, ever. */
  pages: { size: number; total: number; used: number; cached: number; spilled: number; hits: number };
}

export interface Engine extends AsyncDisposable {
  readonly info: EngineInfo;
  status(): EngineStatus;
  /** Tokens as they come, then one done event. Aborting (or leaving the loop) stops within one step. */
  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<TokenEvent | DoneEvent>;
  /** Logits [T, vocab] of every position; `chunk` tokens at a time. The cache is not shared with generation's. */
  logits(
    tokens: readonly number[],
    options?: { chunk?: number; signal?: AbortSignal; adapter?: string },
  ): Promise<Float32Array>;
  /**
   * Natural log-probability of each token given those before it: [T - from], for tokens[from..]; `from` is 1 unless
   * given. A larger one lets several endings of one beginning share its computation, as answers share prompts.
   */
  score(tokens: readonly number[], signal?: AbortSignal, adapter?: string, from?: number): Promise<Float32Array>;
  /** Final hidden state after the last norm, of the last token: [hidden]. */
  embed(tokens: readonly number[], signal?: AbortSignal, adapter?: string): Promise<Float32Array>;
  /**
   * Times `repeat` runs of prefilling `prompt` tokens and decoding `decode` more: milliseconds of each. With several
   * `sequences` (at most those the engine holds) each is prefilled by itself, then all are decoded together.
   * `reuse` keeps what an earlier call has left of the prompt, where only decoding is of interest.
   */
  bench(
    prompt: number,
    decode: number,
    repeat: number,
    sequences?: number,
    reuse?: boolean,
  ): Promise<{ prefillMs: number[]; decodeMs: number[] }>;
  close(): Promise<void>;
}
