/**
 * A loaded model that speaks text: the tokenizer and chat template in front of an engine, which computes in its own
 * thread. Nothing here touches a file.
 */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { ChatTemplate } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { thinkingMarks } from './answer-reader.js';
import type { ChatMessage, ChatOptions, GenerateOptions, Model, PromptOptions, TextEvent } from './api.js';
import { fitConversation } from './conversation.js';
import { defined, samplingDefaults, stopTokens } from './defaults.js';
import type { Engine, EngineInfo, GenerateRequest, SamplingParams } from './engine.js';
import { checkSampling } from './sampler.js';
import { streamText } from './stream.js';
import { ThinkingSplitter } from './thinking.js';
import { thinkingControl } from './thinking-control.js';
import { CallSplitter } from './tools/call-splitter.js';
import { answerGrammar } from './tools/constraint.js';
import { readTools } from './tools/definitions.js';
import { formatGrammar } from './tools/format.js';

export interface ModelParts {
  name: string;
  path: string;
  engine: Engine;
  tokenizer: Tokenizer;
  /** Jinja; absent: ChatML. */
  chatTemplate?: string;
  generationConfig: JsonObject;
  config: JsonObject;
  adapters?: readonly AdapterParts[];
}

/** What an adapter brings along; where it is silent, the model's own. */
export interface AdapterParts {
  name: string;
  chatTemplate?: string;
  generationConfig?: JsonObject;
}

interface Voice {
  template: ChatTemplate;
  defaults: SamplingParams;
  stopTokens: readonly number[];
}

export class TextModel implements Model {
  readonly name: string;
  readonly path: string;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly #voices = new Map<string | undefined, Voice>();

  /** Owns the engine from here on. Throws KaiwenError 'bad_file' if the chat template does not parse. */
  constructor({ name, path, engine, tokenizer, chatTemplate, generationConfig, config, adapters = [] }: ModelParts) {
    this.name = name;
    this.path = path;
    this.engine = engine;
    this.tokenizer = tokenizer;
    const voice = (template: string | undefined, generation: JsonObject, owner: string): Voice => ({
      template: new ChatTemplate(template, tokenizer, owner),
      defaults: samplingDefaults(generation),
      stopTokens: stopTokens(tokenizer, generation, config),
    });
    this.#voices.set(undefined, voice(chatTemplate, generationConfig, name));
    for (const adapter of adapters) {
      const generation = adapter.generationConfig ?? generationConfig;
      this.#voices.set(adapter.name, voice(adapter.chatTemplate ?? chatTemplate, generation, adapter.name));
    }
  }

  get defaults(): SamplingParams {
    return this.#voice().defaults;
  }

  get info(): EngineInfo {
    return this.engine.info;
  }

  get canThink(): boolean {
    return this.#voice().template.canThink;
  }

  async *generate(prompt: string | readonly number[], options: GenerateOptions = {}): AsyncGenerator<TextEvent> {
    const tokens = this.textPrompt(prompt);
    const grammar = options.format && formatGrammar(options.format);
    const request = this.#request(tokens, options, defined({ grammar }));
    const { stop, signal } = options;
    yield* streamText(this.engine, this.tokenizer, request, { stop, signal });
  }

  async *chat(messages: readonly ChatMessage[], options: ChatOptions = {}): AsyncGenerator<TextEvent> {
    const { think, toolChoice = 'auto', maxTokens, stop, signal } = options;
    const { template } = this.#voice(options.adapter);
    const definitions = toolChoice === 'none' ? [] : (options.tools ?? []);
    const tools = readTools(definitions);
    const grammar = answerGrammar({
      format: options.format,
      tools,
      choice: toolChoice,
      parallel: options.parallelToolCalls ?? true,
      calls: template.calls,
    });
    checkCount('thinkingBudget', options.thinkingBudget, 0);
    const render = (some: readonly ChatMessage[]) => template.render(some, { think, tools: definitions });
    const { rendered, notice } = fitConversation(messages, render, this.info.context, maxTokens);
    const { thinkingOpen: open, thinkingClosed } = rendered;
    // A model that the prompt keeps from thinking is to be held to its format from its first token.
    const thinks = template.canThink && (open || (!thinkingClosed && think !== false));
    const control = thinks ? thinkingControl(this.tokenizer, open, options.thinkingBudget) : undefined;
    const request = this.#request(rendered.tokens, options, defined({ grammar, thinking: control }));
    if (notice) yield { type: 'notice', message: notice };
    const marked = thinkingMarks(this.tokenizer).size > 0;
    const thinking = template.canThink ? new ThinkingSplitter(open, marked) : undefined;
    const calls = tools.length > 0 ? new CallSplitter(template.calls, tools, toolChoice !== 'auto') : undefined;
    yield* streamText(this.engine, this.tokenizer, request, { thinking, calls, stop, signal });
  }

  prompt(messages: readonly ChatMessage[], { think, tools, adapter }: PromptOptions = {}): number[] {
    return this.template(adapter).render(messages, { think, tools }).tokens;
  }

  tokenCount(messages: readonly ChatMessage[], options?: PromptOptions): number {
    return this.prompt(messages, options).length;
  }

  template(adapter?: string): ChatTemplate {
    return this.#voice(adapter).template;
  }

  async embed(
    input: string | readonly number[],
    options: { signal?: AbortSignal; adapter?: string } = {},
  ): Promise<Float32Array> {
    const tokens = this.textPrompt(input);
    if (tokens.length > this.info.context) throw this.#tooLong(tokens.length);
    return this.engine.embed(tokens, options.signal, options.adapter);
  }

  textPrompt(text: string | readonly number[]): number[] {
    return typeof text === 'string' ? this.#promptTokens(text) : this.#checkIds(text);
  }

  tokenize(text: string, options?: { control?: boolean }): number[] {
    return this.tokenizer.encode(text, options);
  }

  detokenize(ids: Iterable<number>): string {
    return this.tokenizer.decode(ids);
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `guidance`: what leads the answer, as the engine takes it. */
  #request(
    tokens: readonly number[],
    options: GenerateOptions,
    guidance: Pick<GenerateRequest, 'grammar' | 'thinking'>,
  ): GenerateRequest {
    const { context, vocabSize } = this.info;
    if (tokens.length >= context) throw this.#tooLong(tokens.length);
    const { maxTokens, logprobs, detectRepetition = true, adapter, group, timeoutMs, admit, ...given } = options;
    const voice = this.#voice(adapter);
    checkCount('maxTokens', maxTokens, 1);
    checkCount('logprobs', logprobs, 0);
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new KaiwenError('bad_input', `timeoutMs is ${timeoutMs}.`, { remedy: 'It must be a number from 0 up.' });
    }
    const sampling: SamplingParams = pickSampling({ ...voice.defaults, ...defined(given) });
    checkSampling(sampling, vocabSize);
    const most = Math.min(maxTokens ?? context, context - tokens.length);
    admit?.(tokens.length, most);
    return {
      tokens,
      ...defined({ adapter, group, timeoutMs }),
      ...guidance,
      maxTokens: most,
      stopTokens: voice.stopTokens,
      sampling,
      logprobs: logprobs === undefined ? undefined : Math.min(logprobs, vocabSize),
      detectRepetition,
    };
  }

  /** How the model speaks, or one of its adapters. Throws KaiwenError 'not_found'. */
  #voice(adapter?: string): Voice {
    const voice = this.#voices.get(adapter);
    if (voice) return voice;
    const known = this.info.adapters.map(({ name }) => name).join(', ');
    throw new KaiwenError('not_found', `${this.name} has no adapter "${adapter?.slice(0, 200)}".`, {
      remedy: known === '' ? 'Load it with the model.' : `Loaded: ${known}.`,
    });
  }

  /** A user's text: its control tokens stay text. An empty one begins a document, where the model has a token for that. */
  #promptTokens(text: string): number[] {
    const { bosToken, addBos, controlTokens } = this.tokenizer;
    const tokens = this.tokenizer.encode(text);
    const start = bosToken ?? controlTokens.get('<|endoftext|>');
    if (tokens.length === 0) return this.#checkIds(start === undefined ? [] : [start]);
    return addBos && bosToken !== undefined ? [bosToken, ...tokens] : tokens;
  }

  #checkIds(ids: readonly number[]): number[] {
    if (ids.length === 0) {
      throw new KaiwenError('bad_input', 'The prompt is empty.', {
        remedy: 'Give at least one token to continue from.',
      });
    }
    const { vocabSize } = this.info;
    for (const id of ids) {
      if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
      throw new KaiwenError('bad_input', `The prompt holds the token id ${id}.`, {
        remedy: `Token ids of this model are whole numbers from 0 to ${vocabSize - 1}.`,
      });
    }
    return [...ids];
  }

  #tooLong(length: number): KaiwenError {
    return new KaiwenError(
      'context_overflow',
      `The prompt has ${length} tokens, the context holds ${this.info.context} with the answer.`,
      { remedy: 'Shorten the prompt, or load the model with a larger context.' },
    );
  }
}

function checkCount(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new KaiwenError('bad_input', `${name} is ${value}.`, { remedy: `It must be a whole number from ${least} up.` });
}

/** Only what the engine knows: options of other layers must not travel to its thread. */
function pickSampling(params: SamplingParams): SamplingParams {
  const { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty } = params;
  const { seed, logitBias } = params;
  const fixed = { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty };
  return { ...fixed, ...defined({ seed, logitBias }) };
}
