/** `/tokenize` and `/detokenize` as vLLM has them: text or a conversation to ids, and ids to text. */
import { z } from 'zod';
import type { Call } from '../call.js';
import { invalidValue, nonEmpty, parseBody, type Refusals } from '../fields.js';
import { HttpError } from '../http-error.js';
import { messages } from './messages.js';
import { isTokenIds } from './schema.js';
import { thinkingFields, thinkingOptions } from './thinking.js';
import { toolFields, toolOptions } from './tools.js';

export const tokenizeRequest = z.object({
  model: z.string().nullish(),
  prompt: z.string().nullish(),
  messages: messages.nullish(),
  add_special_tokens: z.boolean().nullish(),
  return_token_strs: z.boolean().nullish(),
  tools: toolFields.tools,
  enable_thinking: thinkingFields.enable_thinking,
  chat_template_kwargs: thinkingFields.chat_template_kwargs,
});

export const detokenizeRequest = z.object({
  model: z.string().nullish(),
  tokens: z.custom<number[]>(isTokenIds, 'expected an array of token ids'),
});

const refused: Refusals = {
  add_generation_prompt: [
    (value) => value !== true,
    'a conversation without the opening of its answer is not supported',
  ],
  continue_final_message: [nonEmpty, 'continuing a message is not supported'],
};

export async function tokenize(call: Call): Promise<Response> {
  const body = parseBody(tokenizeRequest, await call.json(), refused);
  if ((typeof body.prompt === 'string') === Boolean(body.messages))
    throw new HttpError(400, 'missing_required_parameter', "Give either 'prompt' or 'messages'.", { param: 'prompt' });
  const { model, adapter } = await call.open(body.model);
  let tokens: number[];
  if (body.messages) {
    const { think } = thinkingOptions(body, model.canThink);
    tokens = model.prompt(body.messages, { tools: toolOptions(body).tools, think, adapter });
  } else tokens = body.add_special_tokens === false ? model.tokenize(body.prompt!) : withStart(body.prompt!, model);
  return Response.json({
    count: tokens.length,
    max_model_len: model.info.context,
    tokens,
    token_strs: body.return_token_strs ? tokens.map((id) => model.tokenizer.decode([id], { control: true })) : null,
  });
}

/** No text is no tokens, although a prompt of none begins a document. */
function withStart(text: string, model: { textPrompt(text: string): number[] }): number[] {
  return text === '' ? [] : model.textPrompt(text);
}

export async function detokenize(call: Call): Promise<Response> {
  const body = parseBody(detokenizeRequest, await call.json());
  const { model } = await call.open(body.model);
  const { vocabSize } = model.info;
  const wrong = body.tokens.find((id) => id >= vocabSize);
  if (wrong !== undefined) throw invalidValue('tokens', `token id ${wrong} is outside the vocabulary of ${vocabSize}`);
  return Response.json({ prompt: model.tokenizer.decode(body.tokens, { control: true }) });
}
