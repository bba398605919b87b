/**
 * One answer in the making: its prompt is read like other work, then it says which tokens to compute next and turns the
 * logits of their rows into events. Who computes them, and beside which others, is the scheduler's business. What draws
 * the tokens (sampler, penalties, loop detection) outlives the sequence: an answer that has to give its memory back reads
 * prompt and answer again and goes on as if nothing had happened.
 */
import type { Cache } from './cache.js';
import type { DoneEvent, FinishReason, GenerateRequest, SpeculationStats, TokenEvent } from './engine.js';
import type { Constraint } from './grammar/constraint.js';
import { Guide } from './guide.js';
import { adapterNamed } from './held-adapter.js';
import type { LoadedModel } from './loaded-model.js';
import { RepetitionDetector } from './repetition.js';
import { MAX_RUN_ROWS, type Runner } from './runner.js';
import { checkSampling, Sampler } from './sampler.js';
import { Drafter, type Habits, NO_SPECULATION } from './speculation.js';
import type { Tensor } from './tensor.js';
import { type Events, Work } from './work.js';

/** What draws an answer's tokens, made when its prompt is begun. */
interface Drawing {
  readonly sampler: Sampler;
  readonly repetition?: RepetitionDetector;
  readonly drafter?: Drafter;
}

export class Generation extends Work {
  private drawing?: Drawing;
  private readonly stopTokens: ReadonlySet<number>;
  private readonly guide: Guide;
  private readonly started = performance.now();
  private decodeStarted?: number;
  private cachedTokens = 0;
  /** Drawn so far, without the stop token. The last of them has not been computed. */
  private readonly answer: number[] = [];
  private ended = false;
  private readonly speculation: SpeculationStats = { ...NO_SPECULATION };
  /** What was computed behind the last token in the hope that it will be drawn. */
  private draft: readonly number[] = [];

  /** Throws KaiwenError 'bad_input' on sampling parameters out of range. `habits`: of drafts, if any are to be made. */
  constructor(
    private readonly request: GenerateRequest,
    private readonly model: LoadedModel,
    private readonly habits?: Habits,
    constraint?: Constraint,
  ) {
    const { tokens, adapter, group, timeoutMs = Infinity } = request;
    super(tokens, adapterNamed(model, adapter), undefined, group, performance.now() + timeoutMs);
    checkSampling(request.sampling, model.definition.vocabSize);
    this.stopTokens = new Set(request.stopTokens);
    this.guide = new Guide(request.thinking, constraint, this.stopTokens);
  }

  get isReading(): boolean {
    return this.sequence.position < this.size || this.answer.length === 0;
  }

  get isDone(): boolean {
    return this.ended;
  }

  /** Prompt and answer, but for the token that the next step computes. */
  protected override get size(): number {
    return this.tokens.length + Math.max(0, this.answer.length - 1);
  }

  override open(cache: Cache): boolean {
    if (!super.open(cache)) return false;
    if (!this.drawing) {
      const { request, model, habits, sequence, tokens } = this;
      this.cachedTokens = sequence.position;
      this.drawing = {
        sampler: new Sampler(request.sampling, model.definition.vocabSize, tokens),
        repetition: request.detectRepetition ? new RepetitionDetector() : undefined,
        // What recurrent layers have taken in cannot be taken back.
        drafter: habits && !sequence.isRecurrent ? new Drafter(tokens, habits) : undefined,
      };
    }
    return true;
  }

  override chunk(size: number): readonly number[] {
    const { tokens, answer, sequence } = this;
    const said = sequence.position - tokens.length;
    if (said < 0) return super.chunk(size);
    return answer.slice(said, Math.min(said + MAX_RUN_ROWS, answer.length - 1));
  }

  read(hidden: Tensor, runner: Runner): Events {
    const isFirst = this.answer.length === 0 && this.sequence.position === this.tokens.length;
    return isFirst ? this.accept(runner.logits(hidden, hidden.rows - 1, 1)) : [];
  }

  /** For each token that could be drafted now: how likely it is to be drawn. */
  prospects(): number[] {
    const { sequence, request, model, answer, drawing } = this;
    if (!drawing?.drafter) return [];
    const wanted = Math.min(request.maxTokens - answer.length, model.info.context - sequence.position) - 1;
    return drawing.drafter.prospects(Math.min(wanted, MAX_RUN_ROWS - 1));
  }

  /** What to compute next: the last token and a draft behind it, all with logits. */
  next(draftLength: number): readonly number[] {
    this.draft = this.drawing?.drafter?.draft(draftLength) ?? [];
    return [this.answer[this.answer.length - 1], ...this.draft];
  }

  /** Takes the logits [rows, vocab] that were asked for; they may be changed. After a done event there is no next. */
  accept(logits: Float32Array): Events {
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
      const foreseen = reason !== 'stop' && row < draft.length && this.answer.at(-1) === draft[row];
      if (foreseen) speculation.accepted++;
      if (reason) events.push(this.done(reason));
      if (reason || !foreseen) return events;
      sequence.advance([draft[row]]);
    }
  }

  /** Draws a token from the logits [vocab] behind the sequence's end; returns why the answer ends with it, if it does. */
  private draw(logits: Float32Array, events: (TokenEvent | DoneEvent)[]): FinishReason | undefined {
    const { request, answer } = this;
    const { sampler, repetition, drafter } = this.drawing!;
    const { maxTokens, logprobs } = request;
    if (answer.length >= maxTokens) return 'length';
    const { forced, allowed } = this.guide.next();
    const sample =
      forced === undefined ? sampler.next(logits, logprobs, allowed) : sampler.take(forced, logits, logprobs);
    // The grammar lets nothing follow, and the model has no token that ends an answer.
    if (!sample) return 'stop';
    const { id, logprob, top } = sample;
    if (this.stopTokens.has(id)) return 'stop';
    this.guide.push(id);
    answer.push(id);
    drafter?.push(id);
    events.push({ type: 'token', id, logprob, top });
    if (repetition?.push(id)) return 'repetition';
    const full = answer.length >= maxTokens || this.sequence.position >= this.model.info.context;
    return full ? 'length' : undefined;
  }

  stop(reason: 'aborted' | 'timeout'): Events {
    return [this.done(reason)];
  }

  private done(reason: FinishReason): DoneEvent {
    this.ended = true;
    const now = performance.now();
    const { started, decodeStarted = now, cachedTokens } = this;
    const [prefillMs, decodeMs] = [decodeStarted - started, now - decodeStarted];
    const [promptTokens, completionTokens] = [this.tokens.length, this.answer.length];
    const speculation = { ...this.speculation };
    const { thinkingTokens } = this.guide;
    const stats = { promptTokens, cachedTokens, completionTokens, thinkingTokens, prefillMs, decodeMs, speculation };
    return { type: 'done', reason, stats };
  }
}
