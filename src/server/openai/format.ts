/**
 * What an answer must look like: OpenAI's `response_format`, and the fields that vLLM (`guided_*`,
 * `structured_outputs`) and llama.cpp (`grammar`, `json_schema`) have for the same, as an OutputFormat.
 */
import { z } from 'zod';
import type { Json } from '../../formats/checkpoint.js';
import { parseJson } from '../../formats/json.js';
import type { OutputFormat } from '../../generate/api.js';
import { invalidValue, isObject, jsonObject, list } from '../fields.js';

const text = z.string().min(1);
const choices = list(text, 'expected an array of strings').refine(
  (all) => all.length > 0 && all.length <= 10_000,
  'expected 1 to 10000 strings',
);
/** A schema, or its JSON text. */
const schema = z.custom<Json>(
  (value) => typeof value === 'string' || typeof value === 'boolean' || isObject(value),
  'expected a JSON schema',
);

const jsonSchema = z.object({
  name: z.string().max(200).nullish(),
  description: z.string().nullish(),
  schema: jsonObject.nullish(),
  strict: z.boolean().nullish(),
});

export const formatFields = {
  response_format: z
    .object({ type: z.enum(['text', 'json_object', 'json_schema']), json_schema: jsonSchema.nullish() })
    .nullish(),
  guided_json: schema.nullish(),
  guided_regex: text.nullish(),
  guided_choice: choices.nullish(),
  guided_grammar: text.nullish(),
  structured_outputs: z
    .object({
      json: schema.nullish(),
      regex: text.nullish(),
      choice: choices.nullish(),
      grammar: text.nullish(),
      json_object: z.boolean().nullish(),
    })
    .nullish(),
  json_schema: schema.nullish(),
  grammar: text.nullish(),
};

export type FormatRequest = { [Field in keyof typeof formatFields]?: z.infer<(typeof formatFields)[Field]> };

/** OpenAI promises an object, not just any JSON. */
export const ANY_OBJECT: OutputFormat = { type: 'json_schema', schema: { type: 'object' } };

/** What the request asks for; undefined: any text. Throws HttpError 400 if it asks for two things at once. */
export function outputFormat(request: FormatRequest): OutputFormat | undefined {
  const found: [field: string, format: OutputFormat][] = [];
  const add = <T>(field: string, value: T | null | undefined, make: (value: T) => OutputFormat): void => {
    if (value !== undefined && value !== null) found.push([field, make(value)]);
  };
  const regex = (pattern: string): OutputFormat => ({ type: 'regex', pattern });
  const ebnf = (grammar: string): OutputFormat => ({ type: 'grammar', ebnf: grammar });
  const choice = (all: readonly string[]): OutputFormat => ({ type: 'choice', choices: all });
  const fromSchema = (field: string) => (value: Json) => schemaFormat(value, field);

  const { response_format: asked, structured_outputs: outputs } = request;
  if (asked && asked.type !== 'text') found.push(['response_format', responseFormat(asked)]);
  add('guided_json', request.guided_json, fromSchema('guided_json'));
  add('guided_regex', request.guided_regex, regex);
  add('guided_choice', request.guided_choice, choice);
  add('guided_grammar', request.guided_grammar, ebnf);
  add('structured_outputs.json', outputs?.json, fromSchema('structured_outputs.json'));
  add('structured_outputs.regex', outputs?.regex, regex);
  add('structured_outputs.choice', outputs?.choice, choice);
  add('structured_outputs.grammar', outputs?.grammar, ebnf);
  if (outputs?.json_object) found.push(['structured_outputs.json_object', ANY_OBJECT]);
  add('json_schema', request.json_schema, fromSchema('json_schema'));
  add('grammar', request.grammar, ebnf);
  if (found.length > 1)
    throw invalidValue(found[1][0], `it asks for a second format beside '${found[0][0]}'; one answer has one`);
  return found[0]?.[1];
}

function responseFormat({ type, json_schema: given }: NonNullable<FormatRequest['response_format']>): OutputFormat {
  if (type !== 'json_schema') return ANY_OBJECT;
  if (!given) throw invalidValue('response_format.json_schema', "it is required with the type 'json_schema'");
  return given.schema ? { type: 'json_schema', schema: given.schema as Json } : ANY_OBJECT;
}

function schemaFormat(value: Json, field: string): OutputFormat {
  if (typeof value !== 'string') return { type: 'json_schema', schema: value };
  try {
    const parsed = parseJson(value) as Json;
    if (isObject(parsed) || typeof parsed === 'boolean') return { type: 'json_schema', schema: parsed };
  } catch {
    // Said below.
  }
  throw invalidValue(field, 'expected a JSON schema');
}
