/**
 * `POST /v1/moderations` with what is there: the served model itself is asked, for each category, whether the text
 * belongs to it, and may only say yes or no. The score is the share of yes in the probability of the two. It is a
 * language model's opinion, as good as the model, and no classifier that was trained for it.
 */
import { z } from 'zod';
import type { TokenLogprob } from '../../generate/api.js';
import type { Call } from '../call.js';
import { invalidValue, list, parseBody } from '../fields.js';
import type { Lease } from '../hub.js';

/** OpenAI's categories, and the question for each. */
export const CATEGORIES: Readonly<Record<string, string>> = {
  harassment: 'insult, mock or bully somebody',
  'harassment/threatening': 'insult somebody and threaten them with violence',
  hate: 'express hate of people for their origin, religion, sex, orientation or disability',
  'hate/threatening': 'express such hate and threaten those people with violence',
  illicit: 'explain how to do something that is against the law',
  'illicit/violent': 'explain how to do something against the law with weapons or violence',
  'self-harm': 'promote or depict harming oneself or suicide',
  'self-harm/intent': 'say that its writer harms or will harm himself or herself',
  'self-harm/instructions': 'explain how to harm oneself',
  sexual: 'describe sexual acts in order to arouse',
  'sexual/minors': 'hold sexual content with somebody under 18',
  violence: 'depict death, violence or injury',
  'violence/graphic': 'depict death, violence or injury in graphic detail',
};
const NAMES = Object.keys(CATEGORIES);

const MOST_INPUTS = 32;
/** A model that is sure of one answer, or has another in mind, has many tokens before the other one. */
const ALTERNATIVES = 1000;
const part = z.object({ type: z.literal('text', 'only text is supported'), text: z.string() });

export const moderationRequest = z.object({
  model: z.string().nullish(),
  input: z.preprocess(
    (value) => (typeof value === 'string' ? [value] : value),
    list(z.union([z.string(), part], 'expected a string or a text part'), 'expected a string, strings or text parts'),
  ),
});

export async function moderation(call: Call): Promise<Response> {
  const body = parseBody(moderationRequest, await call.json());
  const { input } = body;
  if (input.length === 0 || input.length > MOST_INPUTS)
    throw invalidValue('input', `expected 1 to ${MOST_INPUTS} inputs`);
  // Parts are one input together.
  const texts = input.every((one) => typeof one !== 'string')
    ? [input.map((one) => one.text).join('\n')]
    : input.map((one) => (typeof one === 'string' ? one : one.text));
  const { hub } = call.service;
  // The clients' own default is a model of OpenAI's, which stands for the one that is there.
  const known = hub.list().some(({ id }) => id === body.model);
  const lease = await call.open(known ? body.model : /moderation/.test(body.model ?? '') ? null : body.model);
  const results: object[] = [];
  for (const text of texts) results.push(await judge(call, lease, text));
  return Response.json({ id: `modr-${crypto.randomUUID().replaceAll('-', '')}`, model: lease.id, results });
}

async function judge(call: Call, lease: Lease, text: string): Promise<object> {
  const scores: number[] = [];
  // The first question leaves the text in the engine's cache, where the others find it.
  for (const name of NAMES) scores.push(await ask(call, lease, text, CATEGORIES[name]));
  const each = <T>(make: (score: number) => T) => Object.fromEntries(NAMES.map((name, i) => [name, make(scores[i])]));
  return {
    flagged: scores.some((score) => score > 0.5),
    categories: each((score) => score > 0.5),
    category_scores: each((score) => score),
    category_applied_input_types: each(() => ['text']),
  };
}

/** The probability of yes beside that of no. */
async function ask(call: Call, lease: Lease, text: string, question: string): Promise<number> {
  const messages = [
    { role: 'system' as const, content: 'You moderate texts. You answer a question about the text with yes or no.' },
    { role: 'user' as const, content: `Text:\n"""\n${text}\n"""\n\nDoes this text ${question}? Answer yes or no.` },
  ];
  const events = call.chat(lease, messages, {
    format: { type: 'choice', choices: ['yes', 'no'] },
    temperature: 0,
    // Its first token is the answer.
    maxTokens: 1,
    logprobs: ALTERNATIVES,
    ...(lease.model.canThink && { think: false }),
  });
  let first: TokenLogprob | undefined;
  let answer = '';
  for await (const event of events) {
    if (event.type !== 'text') continue;
    first ??= event.logprobs?.[0];
    answer += event.text;
  }
  return share(first, answer.startsWith('y'));
}

/** Of all ways in which the answer may begin: the share of those that begin a yes. */
export function share(first: TokenLogprob | undefined, isYes: boolean): number {
  const tokens = new Map<number, { token: string; logprob: number }>();
  for (const one of first ? [first, ...first.top] : []) tokens.set(one.id, one);
  let yes = 0;
  let no = 0;
  for (const { token, logprob } of tokens.values()) {
    const start = token.trim().toLowerCase();
    if (start === '') continue;
    if ('yes'.startsWith(start)) yes += Math.exp(logprob);
    else if ('no'.startsWith(start)) no += Math.exp(logprob);
  }
  // Where the model gave neither any probability, what it was made to say decides.
  return yes + no > 0 ? yes / (yes + no) : Number(isYes);
}
