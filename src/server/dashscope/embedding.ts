/** `POST /api/v1/services/embeddings/text-embedding/text-embedding`: what OpenAI's route gives, in DashScope's shape. */
import type { Call } from '../call.js';
import { invalidValue } from '../fields.js';
import { normalised } from '../vector.js';
import { refuseAsynchronous } from './generation.js';
import { parseEmbedding } from './schema.js';

export async function textEmbedding(call: Call): Promise<Response> {
  refuseAsynchronous(call.request);
  const { model: asked, input, parameters } = parseEmbedding(await call.json());
  const lease = await call.open(asked);
  const { hiddenSize } = lease.model.info;
  const size = parameters?.dimension ?? hiddenSize;
  if (size > hiddenSize) throw invalidValue('parameters.dimension', `this model's vectors have ${hiddenSize}`);
  const embeddings: { text_index: number; embedding: number[] }[] = [];
  let tokens = 0;
  for (const [index, text] of input.texts.entries()) {
    const ids = lease.model.textPrompt(text);
    tokens += ids.length;
    const vector = await call.embed(lease, ids);
    embeddings.push({ text_index: index, embedding: Array.from(normalised(vector.subarray(0, size))) });
  }
  return Response.json({ output: { embeddings }, usage: { total_tokens: tokens }, request_id: call.id });
}
