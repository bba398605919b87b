/**
 * The grammar of a call's arguments in the XML format: the parameters in the order of the schema, those that are not
 * required perhaps left out. A string may hold anything but its closing tag.
 */
import type { Json, JsonObject } from '../../formats/checkpoint.js';
import { isObject } from './definitions.js';
import { parameterOf, resolve } from './parameter.js';
import { anyOf, choiceGrammar, EMPTY, type Part, sequence, tag } from './structural.js';

const END = '\n</parameter>\n';
/** Parameters of any name. */
const FREE = `root ::= "" | "<parameter=" [^<>\\n]+ ">\\n" value root
value ::= TagDispatch(stop_eos=false, stop_str=("\\n</parameter>\\n"), loop_after_dispatch=false)`;
const ANY: Part = { type: 'any_text' };
const DEPTH = 16;

/** `schema`: of all arguments. */
export function xmlArguments(schema: JsonObject): Part {
  return anyOf(shapes(schema, schema, 0).map((shape) => shapeGrammar(shape, schema)));
}

/** One of the forms that an object may have: schemas of its properties, and which it must have. */
interface Shape {
  properties: JsonObject | undefined;
  required: ReadonlySet<Json>;
  closed: boolean;
}

function shapes(schema: Json, root: JsonObject, depth: number): Shape[] {
  if (!isObject(schema) || depth > DEPTH) return [{ properties: undefined, required: new Set(), closed: false }];
  const { properties, required, additionalProperties, $ref: ref } = schema;
  let all: Shape[] = [
    {
      properties: isObject(properties) ? properties : undefined,
      required: new Set(Array.isArray(required) ? required : []),
      closed: additionalProperties === false,
    },
  ];
  const combine = (others: Shape[]) => {
    all = all.flatMap((one) => others.map((other) => merge(one, other)));
  };
  if (typeof ref === 'string') combine(shapes(resolve(ref, root), root, depth + 1));
  if (Array.isArray(schema.allOf)) for (const one of schema.allOf) combine(shapes(one, root, depth + 1));
  for (const some of [schema.anyOf, schema.oneOf]) {
    if (Array.isArray(some) && some.length > 0) combine(some.flatMap((one) => shapes(one, root, depth + 1)));
  }
  return all;
}

function merge(a: Shape, b: Shape): Shape {
  return {
    properties: a.properties || b.properties ? { ...a.properties, ...b.properties } : undefined,
    required: new Set([...a.required, ...b.required]),
    closed: a.closed || b.closed,
  };
}

function shapeGrammar({ properties, required, closed }: Shape, root: JsonObject): Part {
  if (!properties) return closed ? EMPTY : { type: 'grammar', grammar: FREE };
  return sequence(
    Object.entries(properties).map(([name, schema]) => {
      const one = tag(`<parameter=${name}>\n`, valueGrammar(schema, root, 0), END);
      return required.has(name) ? one : anyOf([one, EMPTY]);
    }),
  );
}

/** The text of one parameter's value. */
function valueGrammar(schema: Json, root: JsonObject, depth: number): Part {
  const { types } = parameterOf({ ...root, properties: { value: schema } }, 'value');
  if (types.size === 1 && types.has('null')) return { type: 'const_string', value: 'null' };
  if (!types.has('string')) return { type: 'json_schema', json_schema: rooted(schema, root) };
  if (!isObject(schema) || depth > DEPTH) return ANY;
  if (typeof schema.$ref === 'string') return valueGrammar(resolve(schema.$ref, root), root, depth + 1);
  const values = schema.const !== undefined ? [schema.const] : schema.enum;
  if (Array.isArray(values)) {
    const texts = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
    return { type: 'grammar', grammar: choiceGrammar(texts) };
  }
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(alternatives)) {
    const parts = alternatives.map((one) => valueGrammar(one, root, depth + 1));
    return parts.some(({ type }) => type === 'any_text') ? ANY : anyOf(parts);
  }
  if (types.size > 1) return ANY;
  return stringGrammar(schema);
}

function stringGrammar({ pattern, minLength, maxLength }: JsonObject): Part {
  if (typeof pattern === 'string') return { type: 'regex', pattern };
  if (typeof minLength !== 'number' && typeof maxLength !== 'number') return ANY;
  // Counted text has no other bound than its count, so it must not look like a tag.
  return { type: 'regex', pattern: `[^<]{${minLength ?? 0},${maxLength ?? ''}}` };
}

/** A schema taken out of `root`, whose references still find what they name. */
function rooted(schema: Json, root: JsonObject): Json {
  if (!isObject(schema) || !JSON.stringify(schema).includes('"$ref"')) return schema;
  return { $defs: { root: moved(root) }, ...(moved(schema) as JsonObject) };
}

function moved(value: Json): Json {
  if (Array.isArray(value)) return value.map(moved);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const reference = key === '$ref' && typeof item === 'string' && item.startsWith('#');
      return [key, reference ? `#/$defs/root${item.slice(1)}` : moved(item)];
    }),
  );
}
