/** `POST /v1/completions`: text goes on from a prompt, with no chat template. */
import type { TokenLogprob } from '../../generate/api.js';
import type { Call } from '../call.js';
import { HttpError } from '../http-error.js';
import type { Lease } from '../hub.js';
import { Answer, streamChunks } from './answer.js';
import { completionLogprobs } from './logprobs.js';
import { generateOptions, seedOf } from './sampling.js';
import { type CompletionRequest, parseCompletion } from './schema.js';

/** OpenAI's default for this route. */
const MAX_TOKENS = 16;

export async function textCompletion(call: Call): Promise<Response> {
  const body = parseCompletion(await call.json());
  const lease = await call.open(body.model);
  const settings = generateOptions(body, lease.model, call.service.maxChoices, body.prompt.length);
  const options = { maxTokens: MAX_TOKENS, ...settings };
  if (typeof body.logprobs === 'number') Object.assign(options, { logprobs: body.logprobs });
  const echoes = body.prompt.map((prompt) => checkPrompt(prompt, body, lease));
  const answer = new Answer(body.prompt.length, body.n ?? 1, (prompt, index) =>
    call.generate(lease, body.prompt[prompt], { ...options, ...seedOf(body, index) }),
  );
  const head = { id: `cmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: lease.id };
  if (body.stream) return streamChunks(chunks(answer, echoes, body, head), call);
  return Response.json(await whole(answer, echoes, body, head));
}

type Head = { id: string; created: number; model: string };

/** What `echo` puts before the answers to this prompt. */
function checkPrompt(prompt: string | number[], body: CompletionRequest, { model }: Lease): string {
  if (body.echo && typeof body.logprobs === 'number') {
    const message = "Invalid 'echo': log-probabilities of the prompt are not supported.";
    throw new HttpError(400, 'unsupported_parameter', message, { param: 'echo' });
  }
  if (typeof prompt !== 'string') {
    const wrong = prompt.find((id) => id >= model.info.vocabSize);
    if (wrong !== undefined) {
      const message = `Invalid 'prompt': token id ${wrong} is outside the vocabulary of ${model.info.vocabSize}.`;
      throw new HttpError(400, 'invalid_value', message, { param: 'prompt' });
    }
  }
  if (!body.echo) return '';
  return typeof prompt === 'string' ? prompt : model.detokenize(prompt);
}

async function* chunks(
  answer: Answer,
  echoes: readonly string[],
  body: CompletionRequest,
  head: Head,
): AsyncGenerator<object> {
  const withUsage = body.stream_options?.include_usage === true;
  const frame = { ...head, object: 'text_completion' };
  const chunk = (index: number, text: string, logprobs: object | null = null, finish: string | null = null) => ({
    ...frame,
    choices: [{ index, text, logprobs, finish_reason: finish }],
    ...(withUsage ? { usage: null } : {}),
  });
  let offset = 0;
  for await (const event of answer.events()) {
    if (event.type === 'start') {
      offset = 0;
      if (echoes[event.prompt]) yield chunk(event.index, echoes[event.prompt]);
    } else if (event.type === 'text') {
      yield chunk(event.index, event.text, event.logprobs ? completionLogprobs(event.logprobs, offset) : null);
      offset += event.text.length;
    } else if (event.type === 'finish') yield chunk(event.index, '', null, event.reason);
  }
  if (withUsage) yield { ...frame, choices: [], usage: answer.usage };
}

async function whole(answer: Answer, echoes: readonly string[], body: CompletionRequest, head: Head): Promise<object> {
  const choices: { text: string; logprobs: TokenLogprob[]; finish: string | null }[] = [];
  for await (const event of answer.events()) {
    if (event.type === 'start') choices.push({ text: echoes[event.prompt], logprobs: [], finish: null });
    const choice = choices[event.index];
    if (event.type === 'text') {
      choice.text += event.text;
      if (event.logprobs) choice.logprobs.push(...event.logprobs);
    } else if (event.type === 'finish') choice.finish = event.reason;
  }
  return {
    ...head,
    object: 'text_completion',
    choices: choices.map(({ text, logprobs, finish }, index) => ({
      index,
      text,
      logprobs: typeof body.logprobs === 'number' ? completionLogprobs(logprobs, 0) : null,
      finish_reason: finish,
    })),
    usage: answer.usage,
  };
}
