/**
 * One admitted request. Whatever a protocol does with a model goes through here, so that cancellation, limits and the
 * server's books are the same for all of them.
 */
import type { ChatMessage, ChatOptions, GenerateOptions, TextEvent } from '../generate/api.js';
import { readJson } from './body.js';
import { HttpError } from './http-error.js';
import type { Lease } from './hub.js';
import type { Ticket } from './lifecycle.js';
import type { Service } from './service.js';

export class Call {
  readonly id: string;
  readonly request: Request;
  readonly service: Service;
  readonly #ticket: Ticket;
  readonly #leases: Lease[] = [];
  #ended = false;
  /** A stream goes on after the handler has returned its response, and ends the call itself. */
  streaming = false;

  constructor(id: string, request: Request, service: Service) {
    this.id = id;
    this.request = request;
    this.service = service;
    this.#ticket = service.lifecycle.admit(request);
  }

  /** Aborts with an HttpError as the reason when the client leaves or the server stops. */
  get signal(): AbortSignal {
    return this.#ticket.signal;
  }

  /** The request's body. Throws HttpError as readJson does. */
  json(): Promise<unknown> {
    return readJson(this.request, this.service.bodyLimit);
  }

  /** The model that `asked` names, loaded if need be and held until the call ends. Throws HttpError 404. */
  async open(asked?: string | null): Promise<Lease> {
    const lease = await this.service.hub.open(asked, this.signal);
    if (this.#ended) lease[Symbol.dispose]();
    else this.#leases.push(lease);
    return lease;
  }

  /** As Model.chat does; throws the signal's reason where the call has been cancelled. */
  chat({ model, adapter }: Lease, messages: readonly ChatMessage[], options: ChatOptions): AsyncGenerator<TextEvent> {
    return this.#read(options.signal, (signal) =>
      model.chat(messages, { ...options, ...(adapter && { adapter }), signal }),
    );
  }

  /** As Model.generate does; throws the signal's reason where the call has been cancelled. */
  generate(
    { model, adapter }: Lease,
    prompt: string | readonly number[],
    options: GenerateOptions,
  ): AsyncGenerator<TextEvent> {
    return this.#read(options.signal, (signal) =>
      model.generate(prompt, { ...options, ...(adapter && { adapter }), signal }),
    );
  }

  /** The client is gone. */
  cancel(): void {
    this.#ticket.cancel();
  }

  /** The last byte is out, or there will be none. Calling it again does nothing. */
  end(): void {
    this.#ended = true;
    for (const lease of this.#leases.splice(0)) lease[Symbol.dispose]();
    this.#ticket.leave();
  }

  /** `own`: ends this answer alone. */
  async *#read(
    own: AbortSignal | undefined,
    start: (signal: AbortSignal) => AsyncIterable<TextEvent>,
  ): AsyncGenerator<TextEvent> {
    const { service } = this;
    const signal = own ? AbortSignal.any([this.signal, own]) : this.signal;
    signal.throwIfAborted();
    let finished = false;
    try {
      for await (const event of start(signal)) {
        if (event.type === 'done') {
          finished = true;
          service.totals.add(event.stats);
          if (event.reason === 'aborted') break;
        }
        yield event;
        if (event.type === 'done') return;
      }
    } catch (error) {
      // Whatever an engine throws on the way down, the cause is that it was told to stop.
      signal.throwIfAborted();
      throw error;
    }
    signal.throwIfAborted();
    throw finished ? stopped() : new Error('an answer ended without saying why');
  }
}

function stopped(): HttpError {
  return new HttpError(503, 'generation_stopped', 'Generation was stopped before the answer was complete.');
}
