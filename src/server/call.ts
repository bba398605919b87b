/**
 * One admitted request. Whatever a protocol does with a model goes through here, so that cancellation, limits and the
 * server's books are the same for all of them.
 */
import type { ChatMessage, ChatOptions, GenerateOptions, TextEvent } from '../generate/api.js';
import { readJson } from './body.js';
import { HttpError } from './http-error.js';
import type { Lease } from './hub.js';
import type { KeyInfo } from './keys.js';
import type { Ticket } from './lifecycle.js';
import type { Reservation, Visit } from './limits.js';
import { AnswerRecord, type RequestRecord } from './record.js';
import type { Service } from './service.js';

/** What a call adds to the options of an answer. */
type Added = Pick<GenerateOptions, 'adapter' | 'signal' | 'group' | 'timeoutMs' | 'admit'>;

export class Call {
  readonly id: string;
  readonly request: Request;
  readonly service: Service;
  readonly record: RequestRecord;
  /** Whose request it is; undefined where the server has no keys. */
  readonly key?: KeyInfo;
  readonly #ticket: Ticket;
  readonly #visit?: Visit;
  readonly #leases: Lease[] = [];
  #ended = false;

  /** Throws HttpError 429 (the key's limits) or 503 (the server is full, or stops). */
  constructor(request: Request, service: Service, record: RequestRecord, key?: KeyInfo) {
    this.id = record.id;
    this.request = request;
    this.service = service;
    this.record = record;
    this.key = key;
    this.#ticket = service.lifecycle.admit(request, service.timeoutMs);
    try {
      this.#visit = key && service.limiter.enter(key);
    } catch (error) {
      this.#ticket.leave();
      throw error;
    }
  }

  get streaming(): boolean {
    return this.record.streaming;
  }

  /** From now on the response is a stream, which goes on after the handler has returned it and ends the call itself. */
  stream(): void {
    this.record.streaming = true;
    this.record.status = 200;
  }

  /** Aborts with an HttpError as the reason when the client leaves, the time is up or the server stops. */
  get signal(): AbortSignal {
    return this.#ticket.signal;
  }

  /** Where the request's key stands, as headers. */
  get limitHeaders(): Record<string, string> {
    return this.#visit?.headers() ?? {};
  }

  /** The request's body. Throws HttpError as readJson does. */
  async json(): Promise<unknown> {
    const body = await readJson(this.request, this.service.bodyLimit);
    if (this.service.logText) this.record.body = body;
    return body;
  }

  /** The model that `asked` names, loaded if need be and held until the call ends. Throws HttpError 403 and 404. */
  async open(asked?: string | null): Promise<Lease> {
    const { hub } = this.service;
    const { id } = hub.find(asked);
    if (this.key?.models && !this.key.models.includes(id))
      throw new HttpError(403, 'model_not_allowed', `This API key may not use the model '${id}'.`, { param: 'model' });
    const lease = await hub.open(asked, this.signal);
    if (this.#ended) lease[Symbol.dispose]();
    else this.#leases.push(lease);
    return lease;
  }

  /** As Model.chat does; throws the signal's reason where the call has been cancelled. */
  chat(lease: Lease, messages: readonly ChatMessage[], options: ChatOptions): AsyncGenerator<TextEvent> {
    return this.#read(lease, options, (added) => lease.model.chat(messages, { ...options, ...added }));
  }

  /** As Model.generate does; throws the signal's reason where the call has been cancelled. */
  generate(lease: Lease, prompt: string | readonly number[], options: GenerateOptions): AsyncGenerator<TextEvent> {
    return this.#read(lease, options, (added) => lease.model.generate(prompt, { ...options, ...added }));
  }

  /**
   * Takes tokens of the key's limits for work that is no answer, such as an embedding, all of which will be used.
   * Throws HttpError 429.
   */
  charge(tokens: number): void {
    this.#visit?.reserve(tokens);
  }

  /** The final hidden state of the last of these tokens, as the model has it: [hidden]. */
  async embed({ model, adapter }: Lease, tokens: readonly number[]): Promise<Float32Array> {
    this.charge(tokens.length);
    return this.#orCancelled(model.embed(tokens, { signal: this.signal, ...(adapter && { adapter }) }));
  }

  /** Natural log-probability of each token given those before it, from the second on. */
  async score({ model, adapter }: Lease, tokens: readonly number[]): Promise<Float32Array> {
    this.charge(tokens.length);
    return this.#orCancelled(model.engine.score(tokens, this.signal, adapter));
  }

  /** The client is gone. */
  cancel(): void {
    this.#ticket.cancel();
  }

  /** The last byte is out, or there will be none. Calling it again does nothing. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const lease of this.#leases.splice(0)) lease[Symbol.dispose]();
    this.#visit?.leave();
    this.#ticket.leave();
    if (!this.streaming) return;
    // The log tells why a stream broke off; to the client the status had been said.
    if (this.signal.aborted) this.record.error ??= (this.signal.reason as HttpError).code;
    this.record.ended = performance.now();
    this.service.observer.requestEnded(this.record);
  }

  /** Throws the signal's reason where the call has been cancelled. */
  async #orCancelled<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    }
  }

  /** An answer's own signal ends it alone. */
  async *#read(
    { id, adapter }: Lease,
    { admit, signal: own, timeoutMs = Number.POSITIVE_INFINITY }: GenerateOptions,
    start: (added: Added) => AsyncIterable<TextEvent>,
  ): AsyncGenerator<TextEvent> {
    const { service } = this;
    const signal = own ? AbortSignal.any([this.signal, own]) : this.signal;
    signal.throwIfAborted();
    const answer = new AnswerRecord(id);
    this.record.answers.push(answer);
    let reservation: Reservation | undefined;
    const events = start({
      signal,
      timeoutMs: Math.max(1, Math.min(timeoutMs, service.timeoutMs - this.record.ms)),
      ...(adapter !== undefined && { adapter }),
      ...this.#group(),
      ...(this.#visit && {
        admit: (prompt, most) => {
          reservation = this.#visit!.reserve(prompt + most);
          admit?.(prompt, most);
        },
      }),
    })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value: event } = await events.next();
        if (done) throw new Error('an answer ended without saying why');
        this.#note(answer, event);
        if (event.type !== 'done') yield event;
        else if (event.reason === 'aborted') throw stopped();
        else {
          yield event;
          return;
        }
      }
    } catch (error) {
      // Whatever an engine throws on the way down, the cause is that it was told to stop.
      signal.throwIfAborted();
      throw error;
    } finally {
      void this.#settle(events, answer, signal, reservation);
    }
  }

  /** Who takes turns with whom in the engine: work in the background does not come before its owner's own requests. */
  #group(): { group?: string } {
    const id = this.key?.id;
    if (this.record.isInner) return { group: `${id ?? ''} in the background` };
    return id === undefined ? {} : { group: id };
  }

  #note(answer: AnswerRecord, event: TextEvent): void {
    if (event.type === 'done') {
      answer.reason = event.reason;
      answer.stats = event.stats;
      this.service.totals.add(event.stats);
    } else if (event.type !== 'notice') {
      const now = performance.now();
      if (answer.lastAt === undefined) answer.firstAt = now;
      else this.service.observer.piece(now - answer.lastAt);
      answer.lastAt = now;
      answer.pieces++;
      if (this.service.logText && 'text' in event) answer.text = (answer.text ?? '') + event.text;
    }
  }

  /** Gives back what an answer did not use. One that is cut off says how much it used once the engine has stopped. */
  async #settle(
    events: AsyncIterator<TextEvent>,
    answer: AnswerRecord,
    signal: AbortSignal,
    reservation?: Reservation,
  ): Promise<void> {
    try {
      while (!answer.stats && signal.aborted) {
        const { done, value } = await events.next();
        if (done) break;
        this.#note(answer, value);
      }
      if (!answer.stats) await events.return?.();
    } catch {
      // It was told to stop; how it does so is nobody's concern any more.
    } finally {
      const { stats, pieces } = answer;
      reservation?.settle(stats ? stats.promptTokens + stats.completionTokens : pieces);
    }
  }
}

function stopped(): HttpError {
  return new HttpError(503, 'generation_stopped', 'Generation was stopped before the answer was complete.');
}
