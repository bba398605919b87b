/**
 * What applications see: a loaded model that speaks text. `load()` in src/index.ts makes one from a checkpoint;
 * the command line and the server stand on this interface alone.
 */
import type { KaiwenError } from '../errors.js';
import type { Json, JsonObject } from '../formats/checkpoint.js';
import type { ChatTemplate, ToolCall } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Engine, EngineInfo, EngineOptions, FinishReason, GenerateStats, SamplingParams } from './engine.js';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  /** The thinking that came before an assistant's answer; templates decide whether to show it to the model again. */
  thinking?: string;
  /** What an assistant's message calls besides or instead of its content. */
  toolCalls?: readonly ToolCall[];
  /** Of a tool's message: the id of the call that it answers, and the tool's name. */
  toolCallId?: string;
  name?: string;
}

/** What an answer must be; the tokens that would break it cannot be drawn. */
export type OutputFormat =
  | { type: 'text' }
  /** Any JSON value. */
  | { type: 'json' }
  /** JSON that this schema allows (JSON Schema, draft 2020-12; an object or a boolean). */
  | { type: 'json_schema'; schema: Json }
  /** The whole answer matches the pattern. */
  | { type: 'regex'; pattern: string }
  /** Extended Backus-Naur form; the rule `root` is the answer. */
  | { type: 'grammar'; ebnf: string }
  /** One of these texts. */
  | { type: 'choice'; choices: readonly string[] };

/** Whether the answer may, must not or must call tools, or must call the one named. */
export type ToolChoice = 'auto' | 'none' | 'required' | { name: string };

export interface GenerateOptions extends Partial<SamplingParams> {
  /** Name of a loaded adapter (LoadOptions.adapters) that answers instead of the model as it is. */
  adapter?: string;
  /** Default: what is left of the context. */
  maxTokens?: number;
  /** Generation ends before any of these strings; the string itself is not shown. */
  stop?: readonly string[];
  /** Report log-probabilities of each token and this many alternatives. */
  logprobs?: number;
  /** Default true. */
  detectRepetition?: boolean;
  /** What the answer must be, thinking excepted. Default: text. */
  format?: OutputFormat;
  /** Requests of one group take turns with those of others. Absent: one common group. */
  group?: string;
  /** Milliseconds from now after which the answer ends with reason 'timeout'. */
  timeoutMs?: number;
  /** Called once with the prompt's tokens and the most tokens of the answer, before the engine is asked; may throw. */
  admit?: (promptTokens: number, maxTokens: number) => void;
  signal?: AbortSignal;
}

export interface PromptOptions {
  /** Let the model think first, where it can. Default: the template's own. */
  think?: boolean;
  /** Functions that may be called, each as `{ type: 'function', function: { name, description, parameters, strict } }`. */
  tools?: readonly JsonObject[];
  /** The adapter whose template it is. */
  adapter?: string;
}

export interface ChatOptions extends GenerateOptions, PromptOptions {
  /** Default 'auto'. */
  toolChoice?: ToolChoice;
  /** Whether one answer may hold several calls. Default true. */
  parallelToolCalls?: boolean;
  /** The most tokens of thinking, exact; then the model is made to answer. */
  thinkingBudget?: number;
}

export interface TokenLogprob {
  id: number;
  /** The token's text; incomplete UTF-8 shown as U+FFFD. */
  token: string;
  bytes: number[];
  logprob: number;
  top: { id: number; token: string; bytes: number[]; logprob: number }[];
}

/** Why an answer ended; 'tool_calls': of itself, and it calls tools. */
export type AnswerEnd = FinishReason | 'tool_calls';

/**
 * `thinking` and calls come only from chat, `notice` when a conversation had to be trimmed. A call is one `tool_call`
 * and any number of `tool_arguments` with its index (0 for the first), whose texts joined are the arguments' JSON.
 */
export type TextEvent =
  | { type: 'text' | 'thinking'; text: string; logprobs?: TokenLogprob[] }
  | { type: 'tool_call'; index: number; id: string; name: string; logprobs?: TokenLogprob[] }
  | { type: 'tool_arguments'; index: number; text: string; logprobs?: TokenLogprob[] }
  | { type: 'notice'; message: string }
  /** `stop`: the stop string that ended it. */
  | { type: 'done'; reason: AnswerEnd; stop?: string; stats: GenerateStats };

export interface Model extends AsyncDisposable {
  /** The folder's or file's name without extension. */
  readonly name: string;
  readonly path: string;
  readonly info: EngineInfo;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  /** The model's own sampling defaults (generation_config.json), ours where it is silent. */
  readonly defaults: SamplingParams;
  /** Whether the chat template knows thinking. */
  readonly canThink: boolean;
  /** Continues a text or a list of ids, no template. */
  generate(prompt: string | readonly number[], options?: GenerateOptions): AsyncIterable<TextEvent>;
  /** Answers the last message. Whole oldest turns are dropped, with a notice, when the context is too small. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): AsyncIterable<TextEvent>;
  /** Final hidden state of the last token of a text or of ids, [hidden]. */
  embed(input: string | readonly number[], options?: { signal?: AbortSignal; adapter?: string }): Promise<Float32Array>;
  /** The ids that `generate` and `embed` send for a text, or these ids once they are known to be the model's. */
  textPrompt(text: string | readonly number[]): number[];
  /** The ids that `chat` sends for a whole conversation, up to the assistant's answer. */
  prompt(messages: readonly ChatMessage[], options?: PromptOptions): number[];
  /** How many ids `prompt` gives. */
  tokenCount(messages: readonly ChatMessage[], options?: PromptOptions): number;
  /** The chat template, or that of an adapter. */
  template(adapter?: string): ChatTemplate;
  tokenize(text: string, options?: { control?: boolean }): number[];
  detokenize(ids: Iterable<number>): string;
  close(): Promise<void>;
}

export interface LoadOptions extends EngineOptions {
  /** Start the engine anew when it fails: requests under way fail with 'engine_failed', later ones are answered. */
  supervise?: boolean;
  /** Told of every failure of a supervised engine, and of every failed attempt to load it again. */
  onFailure?: (error: KaiwenError) => void;
}
