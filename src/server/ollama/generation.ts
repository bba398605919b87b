/** `POST /api/chat` and `POST /api/generate`. Both stream, lines of JSON, unless they are told not to. */
import type { ChatMessage, TextEvent } from '../../generate/api.js';
import type { Call } from '../call.js';
import { answerOrContinue } from '../continuation.js';
import type { Lease } from '../hub.js';
import { streamResponse } from '../stream.js';
import { untrimmed } from '../untrimmed.js';
import { type Clock, type End, type Piece, pieces, whole } from './answer.js';
import { errorBody } from './errors.js';
import { servedName } from './models.js';
import { answerOptions, toolOptions } from './options.js';
import { parseChat, parseGenerate } from './schema.js';

export async function chat(call: Call): Promise<Response> {
  const asked = performance.now();
  const body = parseChat(await call.json());
  const lease = await call.open(servedName(call.service, body.model));
  const messages = body.messages ?? [];
  if (messages.length === 0) return loaded(body.model, { message: { role: 'assistant', content: '' } });
  const options = { ...answerOptions(body, lease.model), ...toolOptions(body) };
  const source = answerOrContinue(call, lease, messages, options);
  const message = ({ logprobs, ...piece }: Piece) => ({
    message: { role: 'assistant', ...piece },
    ...(logprobs && { logprobs }),
  });
  return answer(call, body, body.truncate === false ? untrimmed(source) : source, clock(asked), message);
}

export async function generate(call: Call): Promise<Response> {
  const asked = performance.now();
  const body = parseGenerate(await call.json());
  const lease = await call.open(servedName(call.service, body.model));
  if (!body.prompt) return loaded(body.model, { response: '' });
  const source = continuation(call, lease, body.prompt, body);
  const response = ({ content, ...rest }: Piece) => ({ response: content, ...rest });
  return answer(call, body, body.truncate === false ? untrimmed(source) : source, clock(asked), response);
}

/** The prompt as it is, or as a user's message in the model's own template. */
function continuation(call: Call, lease: Lease, prompt: string, body: ReturnType<typeof parseGenerate>) {
  const options = answerOptions(body, lease.model);
  if (body.raw) return call.generate(lease, prompt, options);
  const messages: ChatMessage[] = [{ role: 'user', content: prompt }];
  if (body.system) messages.unshift({ role: 'system', content: body.system });
  return call.chat(lease, messages, options);
}

function clock(asked: number): Clock {
  return { asked, loaded: performance.now() };
}

/** `shape`: a piece's fields in the route's objects. */
async function answer(
  call: Call,
  { model, stream }: { model: string; stream?: boolean | null },
  source: AsyncIterable<TextEvent>,
  times: Clock,
  shape: (piece: Piece) => object,
): Promise<Response> {
  const head = () => ({ model, created_at: new Date().toISOString() });
  const steps = pieces(source, times);
  if (stream === false) {
    const [all, end] = await whole(steps);
    return Response.json({ ...head(), ...shape(all), ...end });
  }
  async function* lines(): AsyncGenerator<string> {
    for await (const step of steps) {
      const rest = 'end' in step ? { ...shape({ content: '' }), ...step.end } : { ...shape(step.piece), done: false };
      yield `${JSON.stringify({ ...head(), ...rest })}\n`;
    }
  }
  return streamResponse(call, lines(), {
    contentType: 'application/x-ndjson',
    keepAlive: null,
    onError: (error) => `${JSON.stringify(errorBody(error))}\n`,
  });
}

/** Who asks nothing wants the model to be there. */
function loaded(model: string, rest: object): Response {
  const reason: Omit<Partial<End>, 'done_reason'> & { done_reason: string } = { done: true, done_reason: 'load' };
  return Response.json({ model, created_at: new Date().toISOString(), ...rest, ...reason });
}
