/** `POST /v1/completions`: text goes on from a prompt, with no chat template. */
import type { GenerateOptions, TokenLogprob } from '../../generate/api.js';
import type { Call } from '../call.js';
import { invalidValue } from '../fields.js';
import { HttpError } from '../http-error.js';
import type { Lease } from '../hub.js';
import { Answer, type End, finish, streamChunks } from './answer.js';
import { outputFormat } from './format.js';
import { completionLogprobs } from './logprobs.js';
import { checkChoices, generateOptions, seedOf } from './sampling.js';
import { type CompletionRequest, parseCompletion } from './schema.js';

/** OpenAI's default for this route. */
const MAX_TOKENS = 16;

export async function textCompletion(call: Call): Promise<Response> {
  const body = parseCompletion(await call.json());
  checkChoices(body.n ?? 1, call.service.maxChoices, body.prompt.length);
  const lease = await call.open(body.model);
  const options = completionOptions(body, lease);
  const echoes = body.prompt.map((prompt) => checkPrompt(prompt, body, lease));
  const answer = new Answer(body.prompt.length, body.n ?? 1, (prompt, index, signal) =>
    call.generate(lease, body.prompt[prompt], { ...options, ...seedOf(body, index), signal }),
  );
  const head = { id: `cmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: lease.id };
  if (body.stream) return streamChunks(chunks(answer, echoes, body, head), call);
  return Response.json(await whole(answer, echoes, body, head));
}

type Head = { id: string; created: number; model: string };

function completionOptions(body: CompletionRequest, { model }: Lease): GenerateOptions {
  const format = outputFormat(body);
  return {
    maxTokens: body.max_tokens ?? MAX_TOKENS,
    ...generateOptions(body, model),
    ...(format && { format }),
    ...(typeof body.logprobs === 'number' && { logprobs: body.logprobs }),
  };
}

/** What `echo` puts before the answers to this prompt. */
function checkPrompt(prompt: string | number[], body: CompletionRequest, { model }: Lease): string {
  if (body.echo && typeof body.logprobs === 'number') {
    const message = "Invalid 'echo': log-probabilities of the prompt are not supported.";
    throw new HttpError(400, 'unsupported_parameter', message, { param: 'echo' });
  }
  if (typeof prompt !== 'string') {
    const wrong = prompt.find((id) => id >= model.info.vocabSize);
    if (wrong !== undefined)
      throw invalidValue('prompt', `token id ${wrong} is outside the vocabulary of ${model.info.vocabSize}`);
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
  const chunk = (
    index: number,
    text: string,
    logprobs: object | null = null,
    end: object = { finish_reason: null },
  ) => ({
    ...frame,
    choices: [{ index, text, logprobs, ...end }],
    ...(withUsage && { usage: null }),
  });
  const offsets: number[] = [];
  for await (const event of answer.events()) {
    const { choice } = event;
    if (event.type === 'start') {
      offsets[choice] = 0;
      if (echoes[event.prompt]) yield chunk(choice, echoes[event.prompt]);
    } else if (event.type === 'text') {
      yield chunk(choice, event.text, event.logprobs ? completionLogprobs(event.logprobs, offsets[choice]) : null);
      offsets[choice] += event.text.length;
    } else if (event.type === 'finish') yield chunk(choice, '', null, finish(event.reason));
  }
  if (withUsage) yield { ...frame, choices: [], usage: answer.usage };
}

async function whole(answer: Answer, echoes: readonly string[], body: CompletionRequest, head: Head): Promise<object> {
  const n = body.n ?? 1;
  const choices = Array.from({ length: echoes.length * n }, (_, index) => ({
    text: echoes[Math.floor(index / n)],
    logprobs: [] as TokenLogprob[],
    end: 'stop' as End,
  }));
  for await (const event of answer.events()) {
    const choice = choices[event.choice];
    if (event.type === 'text') {
      choice.text += event.text;
      if (event.logprobs) choice.logprobs.push(...event.logprobs);
    } else if (event.type === 'finish') choice.end = event.reason;
  }
  return {
    ...head,
    object: 'text_completion',
    choices: choices.map(({ text, logprobs, end }, index) => ({
      index,
      text,
      logprobs: typeof body.logprobs === 'number' ? completionLogprobs(logprobs, 0) : null,
      ...finish(end),
    })),
    usage: answer.usage,
  };
}
