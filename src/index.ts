/**
 * Kaiwen as a library: load a Qwen (or Llama) model and let it speak. Everything computes in worker threads; the thread
 * that calls stays free.
 *
 * ```ts
 * import { load } from 'kaiwen';
 *
 * await using model = await load('models/glossary');
 * for await (const event of model.generate('A whale is')) {
 *   if (event.type === 'text') process.stdout.write(event.text);
 * }
 * ```
 */
export { describeError, type ErrorCode, KaiwenError } from './errors.js';
export type {
  AnswerEnd,
  ChatMessage,
  ChatOptions,
  GenerateOptions,
  LoadOptions,
  Model,
  OutputFormat,
  PromptOptions,
  TextEvent,
  TokenLogprob,
  ToolChoice,
} from './generate/api.js';
export type {
  AdapterInfo,
  AdapterSource,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineStatus,
  FinishReason,
  GenerateStats,
  LoadProgress,
  SamplingParams,
} from './generate/engine.js';
export { load } from './generate/load.js';
export { openTokenizer } from './tokenizer/load.js';
export type { StreamDecoder, Tokenizer } from './tokenizer/tokenizer.js';
