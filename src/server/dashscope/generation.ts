/**
 * `POST /api/v1/services/aigc/text-generation/generation`, and its multimodal twin, whose contents are lists of parts.
 * A header asks for a stream: `X-DashScope-SSE: enable`, or `Accept: text/event-stream`.
 */
import type { ChatOptions, TextEvent } from '../../generate/api.js';
import type { Call } from '../call.js';
import { answerOrContinue } from '../continuation.js';
import { invalidValue } from '../fields.js';
import { HttpError, toHttpError } from '../http-error.js';
import { Answer, type ChoiceEvent, type Usage } from '../openai/answer.js';
import { checkChoices, seedOf } from '../openai/sampling.js';
import { streamResponse } from '../stream.js';
import { untrimmed } from '../untrimmed.js';
import { errorBody } from './errors.js';
import { chatOptions } from './options.js';
import { Output } from './output.js';
import { parseGeneration } from './schema.js';

export const textGeneration = (call: Call): Promise<Response> => generate(call, false);
export const multimodalGeneration = (call: Call): Promise<Response> => generate(call, true);

async function generate(call: Call, multimodal: boolean): Promise<Response> {
  refuseAsynchronous(call.request);
  const { model: asked, input, parameters } = parseGeneration(await call.json());
  const settings = parameters ?? {};
  const n = settings.n ?? 1;
  const format = multimodal ? 'message' : (settings.result_format ?? 'text');
  checkChoices(n, call.service.maxChoices);
  if (format === 'text' && (n > 1 || settings.tools?.length))
    throw invalidValue('parameters.result_format', "tools and several answers need 'message'");
  const lease = await call.open(asked);
  const options = chatOptions(settings, lease.model);
  let promptTokens = 0;
  const admit = (tokens: number): void => {
    promptTokens = tokens;
  };
  const { messages, begun } = input;
  const answers = (options: ChatOptions): AsyncIterable<TextEvent> =>
    begun ? answerOrContinue(call, lease, messages, options) : call.chat(lease, messages, options);
  const answer = new Answer(1, n, (_prompt, index, signal) =>
    untrimmed(answers({ ...options, ...seedOf({ seed: settings.seed }, index), admit, signal })),
  );
  const streamed = wantsStream(call.request);
  const incremental = streamed && settings.incremental_output === true;
  const output = new Output({ format, multimodal, incremental, logprobs: settings.logprobs === true }, n);
  if (!streamed) {
    for await (const event of answer.events()) output.step(event);
    return Response.json({ output: output.whole(), usage: usageOf(answer.usage), request_id: call.id });
  }
  const count = (event: ChoiceEvent): number => ('text' in event ? lease.model.tokenize(event.text).length : 0);
  const frames = events(answer, output, n, count, () => promptTokens, call.id);
  return streamResponse(call, frames, {
    onError: (error) => frame('error', errorBody(error, call.id), toHttpError(error).status, 0),
  });
}

/**
 * Every step tells the usage so far. While an answer goes on its tokens are counted from the text that has been shown;
 * the last step of the last answer has the engine's own numbers.
 */
async function* events(
  answer: Answer,
  output: Output,
  n: number,
  count: (event: ChoiceEvent) => number,
  promptTokens: () => number,
  requestId: string,
): AsyncGenerator<string> {
  let id = 0;
  let shown = 0;
  let open = n;
  for await (const event of answer.events()) {
    const step = output.step(event);
    if (!step) continue;
    shown += count(event);
    if (event.type === 'finish') open--;
    const soFar = { input_tokens: promptTokens(), output_tokens: shown, total_tokens: promptTokens() + shown };
    const usage = open === 0 ? usageOf(answer.usage) : soFar;
    yield frame('result', { output: step, usage, request_id: requestId }, 200, ++id);
  }
}

/** An event of DashScope's kind: a number, a name, the status as a comment, and JSON. */
function frame(event: 'result' | 'error', data: object, status: number, id: number): string {
  return `id:${id}\nevent:${event}\n:HTTP_STATUS/${status}\ndata:${JSON.stringify(data)}\n\n`;
}

function usageOf({ prompt_tokens, completion_tokens, total_tokens, ...details }: Usage): object {
  const { reasoning_tokens } = details.completion_tokens_details;
  return {
    input_tokens: prompt_tokens,
    output_tokens: completion_tokens,
    total_tokens,
    prompt_tokens_details: details.prompt_tokens_details,
    ...(reasoning_tokens > 0 && {
      output_tokens_details: { reasoning_tokens, text_tokens: completion_tokens - reasoning_tokens },
    }),
  };
}

function wantsStream({ headers }: Request): boolean {
  if (headers.get('x-dashscope-sse')?.toLowerCase() === 'enable') return true;
  return headers.get('accept')?.includes('text/event-stream') === true;
}

export function refuseAsynchronous({ headers }: Request): void {
  if (headers.get('x-dashscope-async')?.toLowerCase() !== 'enable') return;
  throw new HttpError(403, 'asynchronous_call', 'This server does not support asynchronous calls.');
}
