/**
 * The request bodies of OpenAI's API as far as they are supported, and the fields refused because leaving them out
 * would change the answer's meaning. All other fields are ignored. docs/api.md is this file in prose.
 */
import { z } from 'zod';
import { HttpError } from '../http-error.js';

const choices = z.int().min(1).nullish();
const ratio = z.number().min(0).max(1).nullish();
const penalty = z.number().min(-2).max(2).nullish();

/** An array read up to its first wrong item: a body of millions of them would make millions of complaints. */
function list<T>(item: z.ZodType<T>, error: string) {
  return z.array(z.unknown(), error).transform((items, context): T[] => {
    const read: T[] = [];
    for (const [index, value] of items.entries()) {
      const result = item.safeParse(value);
      if (!result.success) {
        const issue = result.error.issues[0];
        context.issues.push({ ...issue, input: value, path: [index, ...issue.path] } as z.core.$ZodRawIssue);
        return z.NEVER;
      }
      read.push(result.data);
    }
    return read;
  });
}

const stop = z
  .preprocess(
    (value) => (typeof value === 'string' ? [value] : value),
    list(z.string().min(1).max(1000), 'expected a string or an array of strings').refine(
      (all) => all.length <= 4,
      'expected at most 4 strings',
    ),
  )
  .nullish();

const logitBias = z.custom<Record<string, number>>(
  isLogitBias,
  'expected an object from token ids to numbers between -100 and 100',
);

function isLogitBias(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([id, bias]) => /^\d{1,9}$/.test(id) && typeof bias === 'number' && bias >= -100 && bias <= 100,
  );
}

const common = {
  model: z.string().nullish(),
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: ratio,
  top_k: z.int().min(-1).nullish(),
  min_p: ratio,
  presence_penalty: penalty,
  frequency_penalty: penalty,
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  seed: z.int().nullish(),
  stop,
  logit_bias: logitBias.nullish(),
  n: choices,
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
};

const part = z.object({ type: z.string(), text: z.string().optional() }).superRefine(({ type, text }, context) => {
  if (type !== 'text') context.addIssue({ code: 'custom', path: ['type'], message: 'only text parts are supported' });
  else if (text === undefined) context.addIssue({ code: 'custom', path: ['text'], message: 'expected string' });
});

/** A string, or text parts that are put together as they are. */
const content = z
  .preprocess(
    (value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value),
    list(part, 'expected a string or an array of text parts'),
  )
  .transform((parts) => parts.map(({ text }) => text ?? '').join(''));

const message = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
    content,
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(z.unknown()).max(0, 'tool calls are not supported').nullish(),
  })
  .transform(({ role, content, reasoning_content }) => ({
    role: role === 'developer' ? ('system' as const) : role,
    content,
    ...(reasoning_content ? { thinking: reasoning_content } : {}),
  }));

const chatRequest = z.object({
  ...common,
  messages: list(message, 'expected an array of messages').refine(
    (all) => all.length > 0,
    'expected at least one message',
  ),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  enable_thinking: z.boolean().nullish(),
  chat_template_kwargs: z.object({ enable_thinking: z.boolean().nullish() }).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
});

const prompt = z.union([z.string(), z.custom<number[]>(isTokenIds)], 'expected a string or an array of token ids');
const completionRequest = z.object({
  ...common,
  prompt: z.preprocess(
    promptList,
    list(prompt, 'expected a string, an array of strings, or an array of token ids').refine(
      (all) => all.length > 0,
      'expected at least one prompt',
    ),
  ),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
});

function isTokenIds(value: unknown): boolean {
  return Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0);
}

/** One prompt becomes a list of one. */
function promptList(value: unknown): unknown {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && typeof value[0] === 'number' ? [value] : value;
}

export type ChatRequest = z.infer<typeof chatRequest>;
export type CompletionRequest = z.infer<typeof completionRequest>;
export type CommonRequest = Pick<ChatRequest & CompletionRequest, keyof typeof common>;

type Fields = Readonly<Record<string, unknown>>;

const nonEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== '' && value !== false;
const constrained = 'constrained output is not supported';

/** Field to [whether this value of it is refused, why]. Null and absent values never are. */
const refused: Record<string, [test: (value: unknown, body: Fields) => boolean, why: string]> = {
  tools: [(value, body) => nonEmpty(value) && body.tool_choice !== 'none', 'tool calls are not supported'],
  tool_choice: [(value) => value !== 'none' && value !== 'auto', 'tool calls are not supported'],
  functions: [nonEmpty, 'tool calls are not supported'],
  function_call: [(value) => value !== 'none' && value !== 'auto', 'tool calls are not supported'],
  response_format: [(value) => (value as Fields).type !== 'text', constrained],
  structured_outputs: [nonEmpty, constrained],
  guided_json: [nonEmpty, constrained],
  guided_regex: [nonEmpty, constrained],
  guided_choice: [nonEmpty, constrained],
  guided_grammar: [nonEmpty, constrained],
  grammar: [nonEmpty, constrained],
  json_schema: [nonEmpty, constrained],
  modalities: [(value) => !Array.isArray(value) || value.some((kind) => kind !== 'text'), 'only text is supported'],
  audio: [nonEmpty, 'only text is supported'],
  web_search_options: [() => true, 'web search is not supported'],
  suffix: [nonEmpty, 'filling in the middle is not supported'],
  best_of: [(value, body) => value !== 1 && value !== body.n, 'choosing among several answers is not supported'],
};

/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseChat = (body: unknown): ChatRequest => parse(chatRequest, body);
/** Throws HttpError 400 whose `param` names the first field that is wrong. */
export const parseCompletion = (body: unknown): CompletionRequest => parse(completionRequest, body);

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new HttpError(400, 'invalid_type', 'The request body must be a JSON object.');
  const fields = body as Fields;
  for (const [field, [test, why]] of Object.entries(refused)) {
    const value = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (value !== undefined && value !== null && test(value, fields))
      throw new HttpError(400, 'unsupported_parameter', `'${field}': ${why} by this server.`, { param: field });
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw invalid(result.error.issues[0], fields);
}

function invalid(issue: z.core.$ZodIssue, body: Fields): HttpError {
  const param = issue.path.reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : path ? `${path}.${String(key)}` : String(key)),
    '',
  );
  if (issue.path.length === 1 && !Object.hasOwn(body, issue.path[0]))
    return new HttpError(400, 'missing_required_parameter', `'${param}' is required.`, { param });
  const code = issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value';
  const reason = issue.message.replace(/^Invalid (input|option): /, '');
  return new HttpError(400, code, `Invalid '${param.slice(0, 200)}': ${reason}.`, { param: param.slice(0, 200) });
}
