/**
 * For tests without weights: an engine that says what a script tells it, a tokenizer whose ids are bytes, and the
 * two as a model. Everything above the engine (chat, server, command line) can be tried with it.
 */
import { KaiwenError } from '../src/errors.js';
import type {
  DoneEvent,
  Engine,
  EngineInfo,
  EngineStatus,
  FinishReason,
  GenerateRequest,
  TokenEvent,
} from '../src/generate/engine.js';
import { TextModel } from '../src/generate/model.js';
import { newStatus } from '../src/generate/status.js';
import type { StreamDecoder, Tokenizer } from '../src/tokenizer/tokenizer.js';

export const CONTROL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<think>', '</think>', '<tool_response>'];

/** Ids 0 to 255 are bytes; control tokens follow. */
export class ByteTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly controlTokens: ReadonlyMap<string, number>;
  readonly eosTokens: readonly number[];
  readonly addBos = false;
  readonly #texts: readonly string[];

  /** `shown`: control tokens that stay in decoded text. */
  constructor(
    controlTokens: readonly string[] = CONTROL_TOKENS,
    private readonly shown: readonly string[] = [],
  ) {
    this.#texts = controlTokens;
    this.vocabSize = 256 + controlTokens.length;
    this.controlTokens = new Map(controlTokens.map((text, i) => [text, 256 + i]));
    const eos = this.controlTokens.get('<|im_end|>');
    this.eosTokens = eos === undefined ? [] : [eos];
  }

  encode(text: string, options: { control?: boolean } = {}): number[] {
    const bytes = (part: string) => [...new TextEncoder().encode(part)];
    if (!options.control || this.#texts.length === 0) return bytes(text);
    const escaped = this.#texts.map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    return text.split(new RegExp(`(${escaped.join('|')})`)).flatMap((part) => {
      const id = this.controlTokens.get(part);
      return id === undefined ? bytes(part) : [id];
    });
  }

  decode(ids: Iterable<number>, options: { control?: boolean } = {}): string {
    const decoder = this.decoder(options);
    let text = '';
    for (const id of ids) text += decoder.push(id);
    return text + decoder.end();
  }

  bytes(id: number): Uint8Array {
    return id < 256 ? Uint8Array.of(id) : new TextEncoder().encode(this.#texts[id - 256]);
  }

  decoder(options: { control?: boolean } = {}): StreamDecoder {
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (id) => {
        if (id < 256) return utf8.decode(Uint8Array.of(id), { stream: true });
        const text = this.#texts[id - 256];
        return options.control || this.shown.includes(text) ? utf8.decode() + text : '';
      },
      end: () => utf8.decode(),
    };
  }
}

/** What the engine says to a request. Ids, in any grouping; a stop token ends the answer. */
export type Script = (request: GenerateRequest) => Iterable<number> | AsyncIterable<number>;

export class ScriptedEngine implements Engine {
  readonly info: EngineInfo;
  /** Every request so far, for a test to look at. */
  readonly requests: GenerateRequest[] = [];
  /** How many answers were cut short by their caller. */
  cancelled = 0;
  closed = false;
  readonly #script: Script;
  readonly #status = newStatus();
  #cached: readonly number[] = [];

  constructor(script: Script, info: Partial<EngineInfo> = {}) {
    this.#script = script;
    this.info = {
      architecture: 'scripted',
      parameters: 0,
      vocabSize: 256 + CONTROL_TOKENS.length,
      hiddenSize: 4,
      context: 1024,
      maxContext: 1024,
      sequences: 1,
      threads: 1,
      native: null,
      simd: 'plain',
      kv: 'f16',
      weightBytes: 0,
      cacheBytes: 0,
      bytesPerToken: 0,
      loadMs: 0,
      adapters: [],
      notices: [],
      ...info,
    };
  }

  status(): EngineStatus {
    return { ...this.#status };
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<TokenEvent | DoneEvent> {
    this.#checkOpen();
    this.requests.push(request);
    const { tokens, timeoutMs = Infinity } = request;
    const deadline = performance.now() + timeoutMs;
    const status = this.#status;
    let cached = 0;
    while (cached < tokens.length - 1 && tokens[cached] === this.#cached[cached]) cached++;
    status.running++;
    status.promptTokens += tokens.length;
    status.cachedTokens += cached;
    const said: number[] = [];
    let reason: FinishReason = 'length';
    let finished = false;
    try {
      for await (const id of this.#script(request)) {
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted) reason = 'aborted';
        else if (performance.now() >= deadline) reason = 'timeout';
        else if (request.stopTokens.includes(id)) reason = 'stop';
        if (reason !== 'length') break;
        said.push(id);
        status.steps++;
        status.rows++;
        status.completionTokens++;
        const report = { logprob: -0.5, top: [{ id, logprob: -0.5 }].slice(0, request.logprobs) };
        yield request.logprobs === undefined ? { type: 'token', id } : { type: 'token', id, ...report };
        if (said.length === request.maxTokens) break;
      }
      finished = true;
    } finally {
      status.running--;
      if (!finished || reason === 'aborted') this.cancelled++;
    }
    this.#cached = [...tokens, ...said];
    const stats = {
      promptTokens: tokens.length,
      cachedTokens: cached,
      completionTokens: said.length,
      prefillMs: 1,
      decodeMs: 1,
      speculation: { steps: 0, drafted: 0, accepted: 0 },
    };
    yield { type: 'done', reason, stats };
  }

  async logits(tokens: readonly number[]): Promise<Float32Array> {
    return new Float32Array(tokens.length * this.info.vocabSize);
  }

  async score(tokens: readonly number[], _signal?: AbortSignal, _adapter?: string, from = 1): Promise<Float32Array> {
    return new Float32Array(Math.max(0, tokens.length - from)).fill(-Math.log(this.info.vocabSize));
  }

  /** How many tokens, their sum, the first and the last. */
  async embed(tokens: readonly number[]): Promise<Float32Array> {
    this.#checkOpen();
    return Float32Array.of(
      tokens.length,
      tokens.reduce((a, b) => a + b, 0),
      tokens[0],
      tokens[tokens.length - 1],
    );
  }

  async bench(_prompt: number, _decode: number, repeat: number): Promise<{ prefillMs: number[]; decodeMs: number[] }> {
    return { prefillMs: new Array<number>(repeat).fill(1), decodeMs: new Array<number>(repeat).fill(1) };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.closed) throw new KaiwenError('closed', 'the model is closed');
  }
}

export interface ScriptedModelOptions {
  name?: string;
  chatTemplate?: string;
  generationConfig?: Record<string, number | boolean | number[]>;
  info?: Partial<EngineInfo>;
}

/**
 * A model that answers with these texts in turn (the last one for ever after); control tokens in them are parsed,
 * and each ends with the end-of-turn token unless it ends with U+0000.
 */
export function scriptedModel(answers: string | readonly string[], options: ScriptedModelOptions = {}) {
  const tokenizer = new ByteTokenizer();
  const list = typeof answers === 'string' ? [answers] : answers;
  let turn = 0;
  const engine = new ScriptedEngine(() => {
    const answer = list[Math.min(turn++, list.length - 1)];
    const text = answer.endsWith('\0') ? answer.slice(0, -1) : `${answer}<|im_end|>`;
    return tokenizer.encode(text, { control: true });
  }, options.info);
  const model = new TextModel({
    name: options.name ?? 'scripted',
    path: '/models/scripted',
    engine,
    tokenizer,
    chatTemplate: options.chatTemplate,
    generationConfig: options.generationConfig ?? {},
    config: {},
  });
  return { model, engine, tokenizer };
}
