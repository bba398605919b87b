/**
 * The library's structural tags with what is inside of them in our own grammars: schemas and expressions mean in a tag
 * what they mean as a whole answer.
 */
import { KaiwenError } from '../../errors.js';
import type { Json, JsonObject } from '../../formats/checkpoint.js';
import { parseJson } from '../../formats/json.js';
import { mendClasses } from './classes.js';
import { regexGrammar } from './ebnf.js';
import { schemaGrammar } from './schema/schema.js';

/** Throws KaiwenError 'bad_input' or 'unsupported'. */
export function structuralTag(tag: string): string {
  let value: unknown;
  try {
    value = parseJson(tag);
  } catch (cause) {
    throw new KaiwenError('bad_input', `The structural tag is not JSON: ${(cause as Error).message}.`, { cause });
  }
  return JSON.stringify(translated(value as Json));
}

function translated(value: Json): Json {
  if (Array.isArray(value)) return value.map(translated);
  if (typeof value !== 'object' || value === null) return value;
  const grammar = own(value);
  if (grammar !== undefined) return { type: 'grammar', grammar };
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, translated(part)]));
}

function own({ type, json_schema, pattern, grammar }: JsonObject): string | undefined {
  if (type === 'json_schema' && json_schema !== undefined) return schemaGrammar(JSON.stringify(json_schema));
  if (type === 'regex' && typeof pattern === 'string') return regexGrammar(pattern);
  return type === 'grammar' && typeof grammar === 'string' ? mendClasses(grammar) : undefined;
}
