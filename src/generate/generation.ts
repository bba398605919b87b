/**
 * One answer in the making. It says which tokens to compute next and turns the logits of their rows into events; who
 * computes them, and beside which others, is the scheduler's business.
 */
import type { DoneEvent, FinishReason, GenerateRequest, SpeculationStats, TokenEvent } from './engine.js';
import type { Constraint } from './grammar/constraint.js';
import { Guide } from './guide.js';
import type { LoadedModel } from './loaded-model.js';
import { RepetitionDetector } from './repetition.js';
import { MAX_STEP_ROWS } from './runner.js';
import { Sampler } from './sampler.js';
import type { Sequence } from './sequence.js';
import { type Drafter, NO_SPECULATION } from './speculation.js';

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
  private readonly guide: Guide;
  private readonly started = performance.now();
  private decodeStarted?: number;
  private completionTokens = 0;
  private last = 0;
  private readonly speculation: SpeculationStats = { ...NO_SPECULATION };
  /** What was computed behind `last` in the hope that it will be drawn. */
  private draft: readonly number[] = [];

  /** Throws KaiwenError 'bad_input' on sampling parameters out of range. `drafter`: proposes tokens, if any are to be. */
  constructor(
    private readonly request: GenerateRequest,
    readonly sequence: Sequence,
    private readonly model: LoadedModel,
    private readonly drafter?: Drafter,
    constraint?: Constraint,
  ) {
    this.sampler = new Sampler(request.sampling, model.definition.vocabSize, request.tokens);
    this.repetition = request.detectRepetition ? new RepetitionDetector() : undefined;
    this.stop = new Set(request.stopTokens);
    this.guide = new Guide(request.thinking, constraint, this.stop);
    this.cachedTokens = sequence.position;
  }

  /** Part of the prompt is still to be computed: a step for itself. */
  get inPrompt(): boolean {
    return this.sequence.position < this.request.tokens.length;
  }

  /** For each token that could be drafted now: how likely it is to be drawn. */
  prospects(): number[] {
    if (!this.drafter || this.inPrompt) return [];
    const { sequence, request, model, completionTokens } = this;
    const wanted = Math.min(request.maxTokens - completionTokens, model.info.context - sequence.position) - 1;
    return this.drafter.prospects(Math.min(wanted, MAX_STEP_ROWS - 1));
  }

  /** What to compute next: a chunk of the prompt, or the last token and a draft, all with logits. */
  next(draftLength: number): Proposal {
    const { tokens } = this.request;
    if (!this.inPrompt) {
      this.draft = this.drafter?.draft(draftLength) ?? [];
      return { tokens: [this.last, ...this.draft], logits: 1 + this.draft.length };
    }
    const end = this.sequence.stepEnd(this.model.chunk);
    return { tokens: tokens.slice(this.sequence.position, end), logits: Number(end === tokens.length) };
  }

  /** Takes the logits [rows, vocab] that were asked for; they may be changed. After a done event there is no next. */
  accept(logits: Float32Array): (TokenEvent | DoneEvent)[] {
    this.decodeStarted ??= performance.now();
    const { draft, sequence, speculation } = this;
    this.draft = [];
    if (draft.length > 0) {
      // A drafted token belongs to the sequence once it has been drawn.
      sequence.rewind(sequence.position - draft.length);
      speculation.steps++;
      speculation.drafted += draft.length;
    }
    const vocab = logits.length / (1 + draft.length);
    const events: (TokenEvent | DoneEvent)[] = [];
    for (let row = 0; ; row++) {
      const reason = this.draw(logits.subarray(row * vocab, (row + 1) * vocab), events);
      const foreseen = this.last === draft[row];
      if (foreseen) speculation.accepted++;
      if (reason) events.push(this.done(reason));
      if (reason || !foreseen) return events;
      sequence.advance([draft[row]]);
    }
  }

  /** Draws a token from the logits [vocab] behind the sequence's end; returns why the answer ends with it, if it does. */
  private draw(logits: Float32Array, events: (TokenEvent | DoneEvent)[]): FinishReason | undefined {
    const { maxTokens, logprobs } = this.request;
    if (this.completionTokens >= maxTokens) return 'length';
    const { forced, allowed } = this.guide.next();
    const { sampler } = this;
    const sample =
      forced === undefined ? sampler.next(logits, logprobs, allowed) : sampler.take(forced, logits, logprobs);
    // The grammar lets nothing follow, and the model has no token that ends an answer.
    if (!sample) return 'stop';
    const { id, logprob, top } = sample;
    this.last = id;
    if (this.stop.has(id)) return 'stop';
    this.guide.push(id);
    this.completionTokens++;
    this.drafter?.push(id);
    events.push({ type: 'token', id, logprob, top });
    if (this.repetition?.push(id)) return 'repetition';
    const full = this.completionTokens >= maxTokens || this.sequence.position >= this.model.info.context;
    return full ? 'length' : undefined;
  }

  done(reason: FinishReason): DoneEvent {
    const now = performance.now();
    const { started, decodeStarted = now, cachedTokens, completionTokens } = this;
    const [prefillMs, decodeMs] = [decodeStarted - started, now - decodeStarted];
    const promptTokens = this.request.tokens.length;
    const speculation = { ...this.speculation };
    const { thinkingTokens } = this.guide;
    const stats = { promptTokens, cachedTokens, completionTokens, thinkingTokens, prefillMs, decodeMs, speculation };
    return { type: 'done', reason, stats };
  }
}
