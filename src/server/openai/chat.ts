/** `POST /v1/chat/completions`. Thinking comes apart from the answer, as `reasoning_content`. */
import type { ChatOptions, TextEvent, TokenLogprob } from '../../generate/api.js';
import type { Call } from '../call.js';
import { HttpError } from '../http-error.js';
import type { Lease } from '../hub.js';
import { Answer, streamChunks } from './answer.js';
import { chatLogprob } from './logprobs.js';
import { generateOptions, seedOf } from './sampling.js';
import { type ChatRequest, parseChat } from './schema.js';

export async function chatCompletion(call: Call): Promise<Response> {
  const body = parseChat(await call.json());
  const lease = await call.open(body.model);
  const options = chatOptions(body, lease, call.service.maxChoices);
  const answer = new Answer(1, body.n ?? 1, (_prompt, index) => {
    const events = call.chat(lease, body.messages, { ...options, ...seedOf(body, index) });
    return body.truncation === 'disabled' ? untrimmed(events) : events;
  });
  const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: lease.id };
  if (body.stream) return streamChunks(chunks(answer, body, head), call);
  return Response.json(await whole(answer, body, head));
}

type Head = { id: string; created: number; model: string };

function chatOptions(body: ChatRequest, { model }: Lease, maxChoices: number): ChatOptions {
  if (body.top_logprobs && !body.logprobs) {
    const message = "Invalid 'top_logprobs': it needs 'logprobs' to be true.";
    throw new HttpError(400, 'invalid_value', message, { param: 'top_logprobs' });
  }
  const options: ChatOptions = generateOptions(body, model, maxChoices);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  const think = body.enable_thinking ?? body.chat_template_kwargs?.enable_thinking;
  if (maxTokens) options.maxTokens = maxTokens;
  if (body.logprobs) options.logprobs = body.top_logprobs ?? 0;
  if (typeof think === 'boolean' && model.canThink) options.think = think;
  return options;
}

/** A conversation that had to lose its oldest turns is an error to those who said so. */
async function* untrimmed(events: AsyncIterable<TextEvent>): AsyncGenerator<TextEvent> {
  for await (const event of events) {
    if (event.type === 'notice')
      throw new HttpError(400, 'context_length_exceeded', `The conversation is too long: ${event.message}`, {
        param: 'messages',
      });
    yield event;
  }
}

async function* chunks(answer: Answer, body: ChatRequest, head: Head): AsyncGenerator<object> {
  const withUsage = body.stream_options?.include_usage === true;
  const frame = { ...head, object: 'chat.completion.chunk' };
  const usage = withUsage ? { usage: null } : {};
  const chunk = (index: number, delta: object, rest: object = {}, finish: string | null = null) => ({
    ...frame,
    choices: [{ index, delta, logprobs: null, finish_reason: finish, ...rest }],
    ...usage,
  });
  for await (const event of answer.events()) {
    const { index } = event;
    if (event.type === 'start') yield chunk(index, { role: 'assistant', content: '' });
    else if (event.type === 'thinking') yield chunk(index, { reasoning_content: event.text });
    else if (event.type === 'text') {
      const logprobs = event.logprobs ? { logprobs: { content: event.logprobs.map(chatLogprob), refusal: null } } : {};
      yield chunk(index, { content: event.text }, logprobs);
    } else if (event.type === 'notice') yield { ...chunk(index, {}), notices: [event.message] };
    else yield chunk(index, {}, {}, event.reason);
  }
  if (withUsage) yield { ...frame, choices: [], usage: answer.usage };
}

async function whole(answer: Answer, body: ChatRequest, head: Head): Promise<object> {
  const choices: { content: string; thinking: string; logprobs: TokenLogprob[]; finish: string | null }[] = [];
  const notices = new Set<string>();
  for await (const event of answer.events()) {
    if (event.type === 'start') choices.push({ content: '', thinking: '', logprobs: [], finish: null });
    const choice = choices[event.index];
    if (event.type === 'text') {
      choice.content += event.text;
      if (event.logprobs) choice.logprobs.push(...event.logprobs);
    } else if (event.type === 'thinking') choice.thinking += event.text;
    else if (event.type === 'finish') choice.finish = event.reason;
    else if (event.type === 'notice') notices.add(event.message);
  }
  return {
    ...head,
    object: 'chat.completion',
    choices: choices.map(({ content, thinking, logprobs, finish }, index) => ({
      index,
      message: { role: 'assistant', content, refusal: null, ...(thinking ? { reasoning_content: thinking } : {}) },
      logprobs: body.logprobs ? { content: logprobs.map(chatLogprob), refusal: null } : null,
      finish_reason: finish,
    })),
    usage: answer.usage,
    ...(notices.size > 0 ? { notices: [...notices] } : {}),
  };
}
