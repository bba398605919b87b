/**
 * One answer in the making. It says which tokens to compute next and turns the logits of their rows into events; who
 * computes them, and beside which others, is the scheduler's business.
 */
import type { DoneEvent, FinishReason, GenerateRequest, TokenEvent } from './engine.js';
import type { LoadedModel } from './loaded-model.js';
import { RepetitionDetector } from './repetition.js';
import { Sampler } from './sampler.js';
import type { Sequence } from './sequence.js';

/** Tokens to compute at the end of a sequence, and of how many of the last of them the logits are wanted. */
export interface Proposal {
  tokens: readonly number[];
  logits: number;
}

export class Generation {
  readonly cachedTokens: number;
  private readonly sampler: Sampler;
  private readonly repetition?: RepetitionDetector;
  private readonly stop: ReadonlySet<number>;
  private readonly started = performance.now();
  private decodeStarted?: number;
  private completionTokens = 0;
  private last = 0;

  /** Throws KaiwenError 'bad_input' on sampling parameters out of range. */
  constructor(
    private readonly request: GenerateRequest,
    readonly sequence: Sequence,
    private readonly model: LoadedModel,
  ) {
    const { definition } = model;
    this.sampler = new Sampler(request.sampling, definition.vocabSize, request.tokens);
    this.repetition = request.detectRepetition ? new RepetitionDetector() : undefined;
    this.stop = new Set(request.stopTokens);
    this.cachedTokens = sequence.reuse(request.tokens, definition.rope);
  }

  /** Part of the prompt is still to be computed: a step for itself. */
  get inPrompt(): boolean {
    return this.sequence.position < this.request.tokens.length;
  }

  /** What to compute next: a chunk of the prompt, or at most `rows` tokens, all with logits. */
  next(_rows: number): Proposal {
    const { tokens } = this.request;
    if (!this.inPrompt) return { tokens: [this.last], logits: 1 };
    const end = this.sequence.stepEnd(this.model.chunk);
    return { tokens: tokens.slice(this.sequence.position, end), logits: Number(end === tokens.length) };
  }

  /** Takes the logits [rows, vocab] that were asked for; they may be changed. After a done event there is no next. */
  accept(logits: Float32Array): (TokenEvent | DoneEvent)[] {
    this.decodeStarted ??= performance.now();
    const { maxTokens, logprobs } = this.request;
    if (this.completionTokens >= maxTokens) return [this.done('length')];
    const { id, logprob, top } = this.sampler.next(logits, logprobs);
    if (this.stop.has(id)) return [this.done('stop')];
    this.completionTokens++;
    this.last = id;
    const event: TokenEvent = { type: 'token', id, logprob, top };
    if (this.repetition?.push(id)) return [event, this.done('repetition')];
    const full = this.completionTokens >= maxTokens || this.sequence.position >= this.model.info.context;
    return full ? [event, this.done('length')] : [event];
  }

  done(reason: FinishReason): DoneEvent {
    const now = performance.now();
    const { started, decodeStarted = now, cachedTokens, completionTokens } = this;
    const [prefillMs, decodeMs] = [decodeStarted - started, now - decodeStarted];
    const promptTokens = this.request.tokens.length;
    return { type: 'done', reason, stats: { promptTokens, cachedTokens, completionTokens, prefillMs, decodeMs } };
  }
}
