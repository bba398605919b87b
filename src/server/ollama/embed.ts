/** `POST /api/embed`, and the older `POST /api/embeddings` for one text, whose vector is not scaled. */
import type { Call } from '../call.js';
import { invalidValue, parseBody } from '../fields.js';
import { normalised } from '../vector.js';
import { nanoseconds } from './answer.js';
import { servedName } from './models.js';
import { embeddingsRequest, embedRequest } from './schema.js';

export async function embed(call: Call): Promise<Response> {
  const asked = performance.now();
  const body = parseBody(embedRequest, await call.json());
  const lease = await call.open(servedName(call.service, body.model));
  const opened = performance.now();
  const { hiddenSize, context } = lease.model.info;
  const size = body.dimensions || hiddenSize;
  if (size > hiddenSize) throw invalidValue('dimensions', `this model's vectors have ${hiddenSize}`);
  const embeddings: number[][] = [];
  let count = 0;
  for (const text of body.input) {
    const tokens = lease.model.textPrompt(text);
    const kept = body.truncate === false ? tokens : tokens.slice(0, context);
    count += kept.length;
    embeddings.push(Array.from(normalised((await call.embed(lease, kept)).subarray(0, size))));
  }
  return Response.json({
    model: body.model,
    embeddings,
    total_duration: nanoseconds(performance.now() - asked),
    load_duration: nanoseconds(opened - asked),
    prompt_eval_count: count,
  });
}

export async function embedOne(call: Call): Promise<Response> {
  const body = parseBody(embeddingsRequest, await call.json());
  const lease = await call.open(servedName(call.service, body.model));
  const tokens = lease.model.textPrompt(body.prompt).slice(0, lease.model.info.context);
  return Response.json({ embedding: Array.from(await call.embed(lease, tokens)) });
}
