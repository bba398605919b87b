/** `POST /v1/responses`: an answer as items, stored unless the client says otherwise, whole or as a stream of events. */
import type { ChatOptions, TextEvent } from '../../../generate/api.js';
import type { Call } from '../../call.js';
import { invalidValue } from '../../fields.js';
import { HttpError, toHttpError } from '../../http-error.js';
import type { Lease } from '../../hub.js';
import { sse, streamResponse } from '../../stream.js';
import { untrimmed } from '../../untrimmed.js';
import type { End } from '../answer.js';
import { ANY_OBJECT } from '../format.js';
import { generateOptions, seedOf } from '../sampling.js';
import { thinkingOptions } from '../thinking.js';
import { allowedOf, chosen, type ToolOptions } from '../tools.js';
import { earlierItems, resolveInput } from './context.js';
import { conversation, type Item } from './items.js';
import { parseResponseRequest, type ResponseRequest } from './schema.js';
import { newResponseId, type ResponseStore, type StoredResponse } from './store.js';
import { ending, ResponseWriter, type StreamEvent } from './writer.js';

export async function createResponse(call: Call, store: ResponseStore): Promise<Response> {
  const body = parseResponseRequest(await call.json());
  const owner = call.key?.id ?? null;
  const id = newResponseId();
  const earlier = await earlierItems(body.previous_response_id, store, owner, call.service.bodyLimit);
  const input = await resolveInput(body.input, id, store, owner, call.service.bodyLimit);
  if (earlier.length + input.length === 0) throw invalidValue('input', 'expected at least one item');
  const lease = await call.open(body.model);
  const messages = conversation(body.instructions ?? undefined, [...earlier, ...input]);
  const events = call.chat(lease, messages, responseOptions(body, lease));
  const answer = body.truncation === 'auto' ? events : untrimmed(events, 'input');
  const run = new Run(call, answer, body, { id, model: lease.id, input, owner }, store);
  if (!body.stream) {
    for await (const _ of run.events()) {
      // The response has all of it.
    }
    return Response.json(run.response);
  }
  return streamResponse(call, frames(run), { onError: (error) => frame(run.failed(error)) });
}

async function* frames(run: Run): AsyncGenerator<string> {
  for await (const event of run.events()) yield frame(event);
}

const frame = (event: StreamEvent): string => sse(JSON.stringify(event), event.type);

function responseOptions(body: ResponseRequest, { model }: Lease): ChatOptions {
  const format = body.text?.format;
  const logprobs = body.include?.includes('message.output_text.logprobs') || body.top_logprobs;
  return {
    ...generateOptions(body, model),
    ...seedOf(body, 0),
    ...responseTools(body),
    ...thinkingOptions({ ...body, reasoning_effort: body.reasoning?.effort }, model.canThink),
    ...(format?.type === 'json_object' && { format: ANY_OBJECT }),
    ...(format?.type === 'json_schema' && { format: { type: 'json_schema', schema: format.schema } as const }),
    ...(body.max_output_tokens && { maxTokens: body.max_output_tokens }),
    ...(logprobs && { logprobs: body.top_logprobs ?? 0 }),
  } as ChatOptions;
}

function responseTools(body: ResponseRequest): ToolOptions {
  const choice = body.tool_choice ?? 'auto';
  const parallel = body.parallel_tool_calls ?? true;
  const tools = body.tools ?? [];
  if (typeof choice === 'string') return chosen(tools, choice, parallel, 'tool_choice');
  if (choice.type === 'function') return chosen(tools, { name: choice.name }, parallel, 'tool_choice');
  const names = choice.tools.map(({ name }) => name);
  return allowedOf(tools, names, choice.mode, parallel);
}

interface Identity {
  id: string;
  model: string;
  input: Item[];
  owner: string | null;
}

/** One response from its creation to its end. */
class Run {
  /** As clients get it, up to date whenever an event comes. */
  readonly response: StoredResponse['response'];
  readonly #call: Call;
  readonly #answer: AsyncIterable<TextEvent>;
  readonly #identity: Identity;
  readonly #store: ResponseStore;
  readonly #writer: ResponseWriter;
  #sequence = 0;

  constructor(
    call: Call,
    answer: AsyncIterable<TextEvent>,
    body: ResponseRequest,
    identity: Identity,
    store: ResponseStore,
  ) {
    this.#call = call;
    this.#answer = answer;
    this.#identity = identity;
    this.#store = store;
    const summary = body.reasoning?.summary ?? body.reasoning?.generate_summary;
    this.#writer = new ResponseWriter(identity.id, Boolean(summary));
    this.response = emptyResponse(body, identity);
  }

  /** Throws what the model throws before its first event; nothing goes out until then. */
  async *events(): AsyncGenerator<StreamEvent> {
    const notices = new Set<string>();
    let begun = false;
    for await (const event of this.#answer) {
      if (!begun) {
        begun = true;
        yield this.#number({ type: 'response.created', response: { ...this.response } });
        yield this.#number({ type: 'response.in_progress', response: { ...this.response } });
      }
      if (event.type === 'notice') notices.add(event.message);
      else if (event.type !== 'done') for (const made of this.#writer.write(event)) yield this.#number(made);
      else {
        const end = ending(event.reason as End);
        for (const made of this.#writer.close(end.status)) yield this.#number(made);
        Object.assign(this.response, end, {
          completed_at: end.status === 'completed' ? Math.floor(Date.now() / 1000) : null,
          output: this.#writer.output,
          usage: usage(event.stats),
          ...(notices.size > 0 && { notices: [...notices] }),
        });
        await this.#keep();
        yield this.#number({ type: `response.${end.status}`, response: this.response });
      }
    }
  }

  /** The last event of a stream that breaks off. */
  failed(thrown: unknown): StreamEvent {
    const { status, message } = toHttpError(thrown);
    const code = status === 429 ? 'rate_limit_exceeded' : status < 500 ? 'invalid_prompt' : 'server_error';
    Object.assign(this.response, { status: 'failed', error: { code, message }, output: this.#writer.output });
    return this.#number({ type: 'response.failed', response: this.response });
  }

  /** An answer that cannot be stored is still an answer, and says that it was not. */
  async #keep(): Promise<void> {
    if (this.response.store === false) return;
    const { input, owner } = this.#identity;
    try {
      await this.#store.put({ response: this.response, input, output: this.#writer.output, owner });
    } catch (cause) {
      this.response.store = false;
      this.#call.service.report(new HttpError(500, 'io_error', 'A response could not be stored.', { cause }));
    }
  }

  #number(event: { type: string; [field: string]: unknown }): StreamEvent {
    const { type, ...rest } = event;
    return { type, sequence_number: this.#sequence++, ...rest };
  }
}

/** A response before its first item: the request's settings come back in it, with OpenAI's defaults. */
function emptyResponse(body: ResponseRequest, { id, model }: Identity): StoredResponse['response'] {
  return {
    id,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status: 'in_progress',
    background: false,
    completed_at: null,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: {
      effort: body.reasoning?.effort ?? null,
      summary: body.reasoning?.summary ?? body.reasoning?.generate_summary ?? null,
    },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: body.store ?? true,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: 'text' }, verbosity: body.text?.verbosity ?? 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools: (body.tools ?? []).map((tool) => ({ strict: true, parameters: null, ...tool })),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? null,
    truncation: body.truncation ?? 'disabled',
    usage: null,
    user: body.user ?? null,
  };
}

function usage(stats: Extract<TextEvent, { type: 'done' }>['stats']) {
  return {
    input_tokens: stats.promptTokens,
    input_tokens_details: { cached_tokens: stats.cachedTokens },
    output_tokens: stats.completionTokens,
    output_tokens_details: { reasoning_tokens: stats.thinkingTokens ?? 0 },
    total_tokens: stats.promptTokens + stats.completionTokens,
  };
}
