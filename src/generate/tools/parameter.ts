/**
 * What a parameter's text in the XML call format means. The format writes strings as they are and everything else as
 * JSON, so only the tool's schema can tell the text 5 from the number 5.
 */
import type { Json, JsonObject } from '../../formats/checkpoint.js';
import { isObject } from './definitions.js';

const TYPES = ['string', 'number', 'boolean', 'null', 'object', 'array'] as const;
export type JsonType = (typeof TYPES)[number];

const WORDS: Readonly<Record<string, Json>> = { true: true, false: false, null: null, none: null };

/** The schema of a parameter and which types of value it allows. */
export interface Parameter {
  schema: Json;
  types: ReadonlySet<JsonType>;
}

/** `tool`: the schema of all arguments. Of a parameter it does not name, what additionalProperties says. */
export function parameterOf(tool: JsonObject, name: string): Parameter {
  const properties = isObject(tool.properties) && Object.hasOwn(tool.properties, name) ? tool.properties : undefined;
  const schema = properties?.[name] ?? tool.additionalProperties ?? true;
  return { schema, types: typesOf(schema, tool, new Map()) };
}

/** The JSON of a parameter's text. What is of none of the types is given as a string, so that it is not lost. */
export function parameterJson(text: string, types: ReadonlySet<JsonType>): string {
  const trimmed = text.trim();
  const word = WORDS[trimmed.toLowerCase()];
  if (word !== undefined && types.has(typeOf(word))) return String(word);
  try {
    if (types.has(typeOf(JSON.parse(trimmed) as Json))) return trimmed;
  } catch {
    // Not JSON.
  }
  return JSON.stringify(text);
}

export function typeOf(value: Json): JsonType {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : (typeof value as JsonType);
}

/** `known`: of references met so far; of one that leads back to itself nothing is known. */
function typesOf(schema: Json, root: JsonObject, known: Map<string, ReadonlySet<JsonType>>): ReadonlySet<JsonType> {
  let types = new Set<JsonType>(TYPES);
  if (!isObject(schema)) return types;
  const narrow = (allowed: ReadonlySet<JsonType>) => {
    types = new Set([...types].filter((type) => allowed.has(type)));
  };
  const { type, enum: values, $ref: ref } = schema;
  if (type !== undefined) {
    const names = (Array.isArray(type) ? type : [type]).map((name) => (name === 'integer' ? 'number' : name));
    narrow(new Set(TYPES.filter((name) => names.includes(name))));
  }
  if (Array.isArray(values)) narrow(new Set(values.map(typeOf)));
  if (schema.const !== undefined) narrow(new Set([typeOf(schema.const)]));
  if (typeof ref === 'string') {
    if (!known.has(ref)) {
      known.set(ref, new Set(TYPES));
      known.set(ref, typesOf(resolve(ref, root), root, known));
    }
    narrow(known.get(ref)!);
  }
  for (const some of [schema.anyOf, schema.oneOf]) {
    if (Array.isArray(some)) narrow(new Set(some.flatMap((one) => [...typesOf(one, root, known)])));
  }
  if (Array.isArray(schema.allOf)) for (const one of schema.allOf) narrow(typesOf(one, root, known));
  return types;
}

/** What a reference within the document points at; `true`, which allows everything, where there is nothing. */
export function resolve(ref: string, root: JsonObject): Json {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return true;
  let at: Json | undefined = root;
  for (const part of ref.slice(2).split('/')) {
    const key = decode(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(at)) at = at[Number(key)];
    else at = isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return at ?? true;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
