/**
 * The grammar of a call's arguments in the XML format: the parameters in the order of the schema, those that are not
 * required perhaps left out. A string may hold anything but its closing tag.
 */
import { KaiwenError } from '../../errors.js';
import type { Json, JsonObject } from '../../formats/checkpoint.js';
import { isObject } from './definitions.js';
import { parameterOf, resolve } from './parameter.js';
import { anyOf, choiceGrammar, EMPTY, type Part, sequence, tag } from './structural.js';

const END = '\n</parameter>\n';
/** Parameters of any name. */
const FREE = `root ::= "" | "<parameter=" [^<>\\n]+ ">\\n" value root
value ::= TagDispatch(stop_eos=false, stop_str=("\\n</parameter>\\n"), loop_after_dispatch=false)`;
const ANY: Part = { type: 'any_text' };
/** References and alternatives that are followed, and characters of schemas that are copied, for one tool. */
const STEPS = 2_000;
const CHARS = 512 << 10;

/** `schema`: of all arguments. Throws KaiwenError 'bad_input' where it has too many forms to write them out. */
export function xmlArguments(schema: JsonObject): Part {
  return new XmlArguments(schema).part();
}

/** One of the forms that an object may have: schemas of its properties, and which it must have. */
interface Shape {
  properties: JsonObject | undefined;
  required: ReadonlySet<Json>;
  closed: boolean;
}

class XmlArguments {
  #steps = STEPS;
  #chars = CHARS;
  #moved: Json | undefined;
  #movedLength = 0;

  constructor(private readonly root: JsonObject) {}

  part(): Part {
    return anyOf(this.#shapes(this.root).map((shape) => this.#shape(shape)));
  }

  #shapes(schema: Json): Shape[] {
    this.#step();
    if (!isObject(schema)) return [{ properties: undefined, required: new Set(), closed: false }];
    const { properties, required, additionalProperties, $ref: ref } = schema;
    let all: Shape[] = [
      {
        properties: isObject(properties) ? properties : undefined,
        required: new Set(Array.isArray(required) ? required : []),
        closed: additionalProperties === false,
      },
    ];
    const combine = (others: Shape[]) => {
      all = all.flatMap((one) =>
        others.map((other) => {
          this.#step();
          return merge(one, other);
        }),
      );
    };
    if (typeof ref === 'string') combine(this.#shapes(resolve(ref, this.root)));
    if (Array.isArray(schema.allOf)) for (const one of schema.allOf) combine(this.#shapes(one));
    for (const some of [schema.anyOf, schema.oneOf]) {
      if (Array.isArray(some) && some.length > 0) combine(some.flatMap((one) => this.#shapes(one)));
    }
    return all;
  }

  #shape({ properties, required, closed }: Shape): Part {
    if (!properties) return closed ? EMPTY : { type: 'grammar', grammar: FREE };
    return sequence(
      Object.entries(properties).map(([name, schema]) => {
        this.#step();
        const one = tag(`<parameter=${name}>\n`, this.#value(schema), END);
        return required.has(name) ? one : anyOf([one, EMPTY]);
      }),
    );
  }

  /** The text of one parameter's value. */
  #value(schema: Json): Part {
    this.#step();
    const { types } = parameterOf({ ...this.root, properties: { value: schema } }, 'value');
    if (types.size === 1 && types.has('null')) return { type: 'const_string', value: 'null' };
    if (!types.has('string')) return { type: 'json_schema', json_schema: this.#rooted(schema) };
    if (!isObject(schema)) return ANY;
    if (typeof schema.$ref === 'string') return this.#value(resolve(schema.$ref, this.root));
    const values = schema.const !== undefined ? [schema.const] : schema.enum;
    if (Array.isArray(values)) {
      const texts = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
      return { type: 'grammar', grammar: choiceGrammar(texts) };
    }
    const alternatives = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(alternatives)) {
      const parts = alternatives.map((one) => this.#value(one));
      return parts.some(({ type }) => type === 'any_text') ? ANY : anyOf(parts);
    }
    return types.size > 1 ? ANY : stringGrammar(schema);
  }

  /** A schema taken out of the root, whose references still find what they name. */
  #rooted(schema: Json): Json {
    const text = JSON.stringify(schema);
    this.#take(text.length);
    if (!isObject(schema) || !text.includes('"$ref"')) return schema;
    this.#moved ??= moved(this.root);
    this.#movedLength ||= JSON.stringify(this.#moved).length;
    this.#take(this.#movedLength);
    return { $defs: { root: this.#moved }, ...(moved(schema) as JsonObject) };
  }

  #take(chars: number): void {
    this.#chars -= chars;
    if (this.#chars < 0) throw tooLarge();
  }

  #step(): void {
    if (--this.#steps < 0) throw tooLarge();
  }
}

function tooLarge(): KaiwenError {
  return new KaiwenError('bad_input', 'The parameters of a tool are too large, or refer to themselves without end.', {
    remedy: 'Simplify the schema.',
  });
}

function merge(a: Shape, b: Shape): Shape {
  return {
    properties: a.properties || b.properties ? { ...a.properties, ...b.properties } : undefined,
    required: new Set([...a.required, ...b.required]),
    closed: a.closed || b.closed,
  };
}

function stringGrammar({ pattern, minLength, maxLength }: JsonObject): Part {
  if (typeof pattern === 'string') return { type: 'regex', pattern };
  if (typeof minLength !== 'number' && typeof maxLength !== 'number') return ANY;
  // Counted text has no other bound than its count, so it must not look like a tag.
  return { type: 'regex', pattern: `[^<]{${minLength ?? 0},${maxLength ?? ''}}` };
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
