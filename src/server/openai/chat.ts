/** `POST /v1/chat/completions`. Thinking comes apart from the answer, as `reasoning_content`. */
import type { ChatOptions, TokenLogprob } from '../../generate/api.js';
import type { Call } from '../call.js';
import { invalidValue } from '../fields.js';
import type { Lease } from '../hub.js';
import { untrimmed } from '../untrimmed.js';
import { Answer, type End, finish, streamChunks } from './answer.js';
import { outputFormat } from './format.js';
import { chatLogprob } from './logprobs.js';
import { checkChoices, generateOptions, seedOf } from './sampling.js';
import { type ChatRequest, parseChat } from './schema.js';
import { thinkingOptions } from './thinking.js';
import { toolOptions } from './tools.js';

export async function chatCompletion(call: Call): Promise<Response> {
  const body = parseChat(await call.json());
  checkChoices(body.n ?? 1, call.service.maxChoices);
  const lease = await call.open(body.model);
  const options = chatOptions(body, lease);
  const answer = new Answer(1, body.n ?? 1, (_prompt, index, signal) => {
    const events = call.chat(lease, body.messages, { ...options, ...seedOf(body, index), signal });
    return body.truncation === 'disabled' ? untrimmed(events) : events;
  });
  const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: lease.id };
  if (body.stream) return streamChunks(chunks(answer, body, head), call);
  return Response.json(await whole(answer, body, head));
}

type Head = { id: string; created: number; model: string };

function chatOptions(body: ChatRequest, { model }: Lease): ChatOptions {
  if (body.top_logprobs && !body.logprobs) throw invalidValue('top_logprobs', "it needs 'logprobs' to be true");
  const format = outputFormat(body);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return {
    ...generateOptions(body, model),
    ...toolOptions(body),
    ...thinkingOptions(body, model.canThink),
    ...(format && { format }),
    ...(maxTokens && { maxTokens }),
    ...(body.logprobs && { logprobs: body.top_logprobs ?? 0 }),
  };
}

/** Who sent `functions` is answered in their words. */
const isLegacy = (body: ChatRequest): boolean => (body.functions?.length ?? 0) > 0;

function chatFinish(reason: End, legacy: boolean) {
  return legacy && reason === 'tool_calls' ? { finish_reason: 'function_call' } : finish(reason);
}

async function* chunks(answer: Answer, body: ChatRequest, head: Head): AsyncGenerator<object> {
  const withUsage = body.stream_options?.include_usage === true;
  const legacy = isLegacy(body);
  const frame = { ...head, object: 'chat.completion.chunk' };
  const chunk = (index: number, delta: object, rest: object = {}) => ({
    ...frame,
    choices: [{ index, delta, logprobs: null, finish_reason: null, ...rest }],
    ...(withUsage && { usage: null }),
  });
  for await (const event of answer.events()) {
    const { choice } = event;
    switch (event.type) {
      case 'start':
        yield chunk(choice, { role: 'assistant', content: '' });
        break;
      case 'thinking':
        yield chunk(choice, { reasoning_content: event.text });
        break;
      case 'text': {
        const logprobs = event.logprobs && { content: event.logprobs.map(chatLogprob), refusal: null };
        yield chunk(choice, { content: event.text }, logprobs && { logprobs });
        break;
      }
      case 'tool_call': {
        const called = { name: event.name, arguments: '' };
        const call = { index: event.call, id: event.id, type: 'function', function: called };
        yield chunk(choice, legacy ? { function_call: called } : { tool_calls: [call] });
        break;
      }
      case 'tool_arguments': {
        const called = { arguments: event.text };
        yield chunk(
          choice,
          legacy ? { function_call: called } : { tool_calls: [{ index: event.call, function: called }] },
        );
        break;
      }
      case 'notice':
        yield { ...chunk(choice, {}), notices: [event.message] };
        break;
      case 'finish':
        yield chunk(choice, {}, chatFinish(event.reason, legacy));
        break;
    }
  }
  if (withUsage) yield { ...frame, choices: [], usage: answer.usage };
}

/** A choice as it grows. */
class Choice {
  content = '';
  thinking = '';
  readonly logprobs: TokenLogprob[] = [];
  readonly calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = [];
  end: End = 'stop';

  /** The message that clients know: no content where there are only calls. */
  message(legacy: boolean) {
    const { content, thinking, calls } = this;
    return {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(thinking && { reasoning_content: thinking }),
      ...(calls.length > 0 && (legacy ? { function_call: calls[0].function } : { tool_calls: calls })),
    };
  }
}

async function whole(answer: Answer, body: ChatRequest, head: Head): Promise<object> {
  const legacy = isLegacy(body);
  const choices = Array.from({ length: body.n ?? 1 }, () => new Choice());
  const notices = new Set<string>();
  for await (const event of answer.events()) {
    const choice = choices[event.choice];
    if (event.type === 'text') {
      choice.content += event.text;
      if (event.logprobs) choice.logprobs.push(...event.logprobs);
    } else if (event.type === 'thinking') choice.thinking += event.text;
    else if (event.type === 'tool_call')
      choice.calls[event.call] = { id: event.id, type: 'function', function: { name: event.name, arguments: '' } };
    else if (event.type === 'tool_arguments') choice.calls[event.call].function.arguments += event.text;
    else if (event.type === 'finish') choice.end = event.reason;
    else if (event.type === 'notice') notices.add(event.message);
  }
  return {
    ...head,
    object: 'chat.completion',
    choices: choices.map((choice, index) => ({
      index,
      message: choice.message(legacy),
      logprobs: body.logprobs ? { content: choice.logprobs.map(chatLogprob), refusal: null } : null,
      ...chatFinish(choice.end, legacy),
    })),
    usage: answer.usage,
    ...(notices.size > 0 && { notices: [...notices] }),
  };
}
