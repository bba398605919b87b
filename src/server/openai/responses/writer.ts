/**
 * Writes a response while the model answers: from its events to OpenAI's streaming events, numbered and in OpenAI's
 * order, and to the output items that they add up to.
 */
import type { TextEvent } from '../../../generate/api.js';
import type { End } from '../answer.js';
import { chatLogprob } from '../logprobs.js';
import type { ItemStatus, Logprob, OutputItem } from './items.js';
import { itemId } from './items.js';

/** An event without its number. */
type Event = { type: string; [field: string]: unknown };
export type StreamEvent = Event & { sequence_number: number };

type Said = Exclude<TextEvent, { type: 'done' | 'notice' }>;

export class ResponseWriter {
  readonly output: OutputItem[] = [];
  readonly #response: string;
  readonly #summarise: boolean;
  #open = false;
  /** What the item that is open says so far, and its log-probabilities. */
  #text = '';
  #logprobs: Logprob[] = [];
  /** The call that is open, counted by the model. */
  #call = -1;

  /** `summarise`: the client reads thinking as a summary. */
  constructor(response: string, summarise: boolean) {
    this.#response = response;
    this.#summarise = summarise;
  }

  /** The events that this one of the model makes. */
  *write(event: Said): Generator<Event> {
    if (event.type === 'tool_call') {
      yield* this.close('completed');
      this.#call = event.index;
      const id = this.#nextId('function_call');
      yield* this.#begin({
        id,
        type: 'function_call',
        status: 'in_progress',
        call_id: event.id,
        name: event.name,
        arguments: '',
      });
      return;
    }
    if (event.type === 'tool_arguments') {
      if (event.index !== this.#call) throw new Error('arguments of a call that is not the last one');
      this.#text += event.text;
      yield { type: 'response.function_call_arguments.delta', ...this.#at, delta: event.text };
      return;
    }
    const wanted = event.type === 'thinking' ? 'reasoning' : 'message';
    if (!this.#open || this.output.at(-1)?.type !== wanted) {
      // Log-probabilities that come after a call belong to no text of their own.
      if (event.text === '') return;
      yield* this.close('completed');
      yield* wanted === 'reasoning' ? this.#beginReasoning() : this.#beginMessage();
    }
    this.#text += event.text;
    if (wanted === 'reasoning') {
      const type = this.#summarise ? 'response.reasoning_summary_text.delta' : 'response.reasoning_text.delta';
      yield { type, ...this.#at, ...this.#part, delta: event.text };
      return;
    }
    const logprobs = (event.logprobs ?? []).map(chatLogprob);
    this.#logprobs.push(...logprobs);
    yield { type: 'response.output_text.delta', ...this.#at, ...this.#part, delta: event.text, logprobs };
  }

  /** Ends the item that is open, if one is. */
  *close(status: Exclude<ItemStatus, 'in_progress'>): Generator<Event> {
    const item = this.output.at(-1);
    if (!this.#open || !item) return;
    const text = this.#text;
    const [at, part] = [this.#at, this.#part];
    item.status = status;
    if (item.type === 'function_call') {
      item.arguments = text;
      yield { type: 'response.function_call_arguments.done', ...at, name: item.name, arguments: text };
    } else if (item.type === 'message') {
      const content = { type: 'output_text' as const, text, annotations: [], logprobs: this.#logprobs };
      item.content = [content];
      yield { type: 'response.output_text.done', ...at, ...part, text, logprobs: this.#logprobs };
      yield { type: 'response.content_part.done', ...at, ...part, part: content };
    } else if (this.#summarise) {
      item.summary = [{ type: 'summary_text', text }];
      yield { type: 'response.reasoning_summary_text.done', ...at, ...part, text };
      yield { type: 'response.reasoning_summary_part.done', ...at, ...part, part: item.summary[0] };
    } else {
      item.content = [{ type: 'reasoning_text', text }];
      yield { type: 'response.reasoning_text.done', ...at, ...part, text };
      yield { type: 'response.content_part.done', ...at, ...part, part: item.content[0] };
    }
    yield { type: 'response.output_item.done', output_index: this.output.length - 1, item };
    this.#open = false;
  }

  *#beginReasoning(): Generator<Event> {
    const id = this.#nextId('reasoning');
    yield* this.#begin({
      id,
      type: 'reasoning',
      status: 'in_progress',
      summary: [],
      ...(!this.#summarise && { content: [] }),
    });
    yield this.#summarise
      ? {
          type: 'response.reasoning_summary_part.added',
          ...this.#at,
          ...this.#part,
          part: { type: 'summary_text', text: '' },
        }
      : { type: 'response.content_part.added', ...this.#at, ...this.#part, part: { type: 'reasoning_text', text: '' } };
  }

  *#beginMessage(): Generator<Event> {
    const id = this.#nextId('message');
    yield* this.#begin({ id, type: 'message', status: 'in_progress', role: 'assistant', content: [] });
    const part = { type: 'output_text', text: '', annotations: [], logprobs: [] };
    yield { type: 'response.content_part.added', ...this.#at, ...this.#part, part };
  }

  *#begin(item: OutputItem): Generator<Event> {
    this.output.push(item);
    this.#open = true;
    this.#text = '';
    this.#logprobs = [];
    // A copy: the item changes while the event waits to be sent.
    yield { type: 'response.output_item.added', output_index: this.output.length - 1, item: structuredClone(item) };
  }

  #nextId(type: OutputItem['type']): string {
    return itemId(type, this.#response, 'out', this.output.length);
  }

  /** Where the item that is open stands. */
  get #at(): { item_id: string; output_index: number } {
    return { item_id: this.output.at(-1)!.id, output_index: this.output.length - 1 };
  }

  /** Each item has one part. */
  get #part(): Record<string, number> {
    return this.output.at(-1)!.type === 'reasoning' && this.#summarise ? { summary_index: 0 } : { content_index: 0 };
  }
}

/** What a response says of how it ended. */
export function ending(reason: End) {
  if (reason === 'stop' || reason === 'tool_calls') return { status: 'completed', incomplete_details: null } as const;
  const details = { reason: 'max_output_tokens', ...(reason !== 'length' && { stop_reason: reason }) };
  return { status: 'incomplete', incomplete_details: details } as const;
}
