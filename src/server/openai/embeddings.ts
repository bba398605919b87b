/**
 * `POST /v1/embeddings`: the final hidden state of each input's last token, scaled to length 1. What such a vector is
 * good for depends on whether the model was trained to embed.
 */
import { z } from 'zod';
import type { Call } from '../call.js';
import { invalidValue, parseBody } from '../fields.js';
import { normalised } from '../vector.js';
import { prompts } from './schema.js';

const MOST_INPUTS = 2048;
/** Inputs whose tokens wait in the engine at once. */
const AT_ONCE = 4;

export const embeddingRequest = z.object({
  model: z.string().nullish(),
  input: prompts,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish(),
});

export async function embeddings(call: Call): Promise<Response> {
  const body = parseBody(embeddingRequest, await call.json());
  if (body.input.length > MOST_INPUTS) throw invalidValue('input', `expected at most ${MOST_INPUTS} inputs`);
  const lease = await call.open(body.model);
  const { hiddenSize } = lease.model.info;
  const size = body.dimensions ?? hiddenSize;
  if (size > hiddenSize) throw invalidValue('dimensions', `this model's vectors have ${hiddenSize}`);
  const inputs = body.input.map((input, index) => {
    if (input.length === 0) throw invalidValue(`input[${index}]`, 'it is empty');
    return lease.model.textPrompt(input);
  });
  const data: object[] = [];
  for (let from = 0; from < inputs.length; from += AT_ONCE) {
    const vectors = await Promise.all(inputs.slice(from, from + AT_ONCE).map((tokens) => call.embed(lease, tokens)));
    for (const vector of vectors) {
      const embedding = normalised(vector.subarray(0, size));
      data.push({
        object: 'embedding',
        index: data.length,
        embedding: body.encoding_format === 'base64' ? base64(embedding) : Array.from(embedding),
      });
    }
  }
  const tokens = inputs.reduce((sum, { length }) => sum + length, 0);
  return Response.json({
    object: 'list',
    data,
    model: lease.id,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** 32-bit floats, the lowest byte first. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, 4 * index);
  return bytes.toString('base64');
}
