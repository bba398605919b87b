/** `POST /v1/completions`: text goes on from a prompt, with no chat template. */
import type { GenerateOptions, TextEvent } from '../../generate/api.js';
import type { Call } from '../call.js';
import { invalidValue } from '../fields.js';
import type { Lease } from '../hub.js';
import { Answer, type End, finish, streamChunks } from './answer.js';
import { outputFormat } from './format.js';
import { completionLogprobs, type PromptLogprob } from './logprobs.js';
import { checkChoices, generateOptions, seedOf } from './sampling.js';
import { type CompletionRequest, parseCompletion } from './schema.js';

/** OpenAI's default for this route. */
const MAX_TOKENS = 16;

export async function textCompletion(call: Call): Promise<Response> {
  const body = parseCompletion(await call.json());
  checkChoices(body.n ?? 1, call.service.maxChoices, body.prompt.length);
  const lease = await call.open(body.model);
  const options = completionOptions(body, lease);
  const prompts = body.prompt.map((prompt, index) => checkPrompt(prompt, index, lease));
  const echoes = await Promise.all(prompts.map((tokens, i) => echo(body.prompt[i], tokens, body, call, lease)));
  const answer = new Answer(prompts.length, body.n ?? 1, (prompt, index, signal) =>
    body.max_tokens === 0
      ? noAnswer(prompts[prompt])
      : call.generate(lease, prompts[prompt], { ...options, ...seedOf(body, index), signal }),
  );
  const head = { id: `cmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: lease.id };
  if (body.stream) return streamChunks(chunks(answer, echoes, body, head), call);
  return Response.json(await whole(answer, echoes, body, head));
}

type Head = { id: string; created: number; model: string };

function completionOptions(body: CompletionRequest, { model }: Lease): GenerateOptions {
  const format = outputFormat(body);
  if (body.max_tokens === 0 && !body.echo) throw invalidValue('max_tokens', "without 'echo' it must be at least 1");
  return {
    maxTokens: body.max_tokens ?? MAX_TOKENS,
    ...generateOptions(body, model),
    ...(format && { format }),
    ...(typeof body.logprobs === 'number' && { logprobs: body.logprobs }),
  };
}

/** The prompt's ids. */
function checkPrompt(prompt: string | number[], index: number, { model }: Lease): number[] {
  const wrong = typeof prompt === 'string' ? undefined : prompt.find((id) => id >= model.info.vocabSize);
  if (wrong !== undefined)
    throw invalidValue('prompt', `token id ${wrong} is outside the vocabulary of ${model.info.vocabSize}`);
  if (prompt.length === 0 && typeof prompt !== 'string') throw invalidValue(`prompt[${index}]`, 'it is empty');
  return model.textPrompt(prompt);
}

/** What comes before the answers to a prompt. */
interface Echo {
  text: string;
  logprobs: PromptLogprob[];
}

/** The prompt itself where the request asks for it, with the log-probabilities of its tokens where it does so too. */
async function echo(
  prompt: string | number[],
  tokens: readonly number[],
  body: CompletionRequest,
  call: Call,
  lease: Lease,
): Promise<Echo> {
  if (!body.echo) return { text: '', logprobs: [] };
  const { model } = lease;
  const text = typeof prompt === 'string' ? prompt : model.detokenize(prompt);
  if (typeof body.logprobs !== 'number') return { text, logprobs: [] };
  const scores = tokens.length > 1 ? await call.score(lease, tokens) : [];
  const described = tokens.map((id, index) => ({
    token: model.tokenizer.decode([id], { control: true }),
    // Nothing comes before the first token that could make it likely or not.
    logprob: index === 0 ? null : scores[index - 1],
    top: null,
  }));
  return { text, logprobs: described };
}

/** For requests that ask about the prompt alone. */
async function* noAnswer(tokens: readonly number[]): AsyncGenerator<TextEvent> {
  const speculation = { steps: 0, drafted: 0, accepted: 0 };
  const counts = { promptTokens: tokens.length, cachedTokens: 0, completionTokens: 0, prefillMs: 0, decodeMs: 0 };
  yield { type: 'done', reason: 'length', stats: { ...counts, speculation } };
}

async function* chunks(
  answer: Answer,
  echoes: readonly Echo[],
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
      const { text, logprobs } = echoes[event.prompt];
      offsets[choice] = text.length;
      if (text) yield chunk(choice, text, logprobs.length > 0 ? completionLogprobs(logprobs, 0) : null);
    } else if (event.type === 'text') {
      yield chunk(choice, event.text, event.logprobs ? completionLogprobs(event.logprobs, offsets[choice]) : null);
      offsets[choice] += event.text.length;
    } else if (event.type === 'finish') yield chunk(choice, '', null, finish(event.reason));
  }
  if (withUsage) yield { ...frame, choices: [], usage: answer.usage };
}

async function whole(answer: Answer, echoes: readonly Echo[], body: CompletionRequest, head: Head): Promise<object> {
  const n = body.n ?? 1;
  const choices = Array.from({ length: echoes.length * n }, (_, index) => ({
    text: echoes[Math.floor(index / n)].text,
    logprobs: [...echoes[Math.floor(index / n)].logprobs] as PromptLogprob[],
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
