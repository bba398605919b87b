/**
 * From a schema with everything that joins and refers (allOf, anyOf, $ref, if …) to plain ones: a list of which a value
 * satisfies one. A plain schema says of each kind of value what it must be.
 */
import { KaiwenError } from '../../../errors.js';
import type { Json, JsonObject } from '../../../formats/checkpoint.js';
import { type Document, isObject, type Schema } from './document.js';
import { withinLimits } from './numbers.js';

export const KINDS = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const;
export type Kind = (typeof KINDS)[number];

export interface Plain {
  kinds: ReadonlySet<Kind>;
  /** Only these values, and none of those. */
  values?: readonly Json[];
  excluded: readonly Json[];
  integer: boolean;
  min: number;
  max: number;
  above: boolean;
  below: boolean;
  multiples: readonly number[];
  minLength: number;
  maxLength: number;
  patterns: readonly string[];
  notPatterns: readonly string[];
  formats: readonly string[];
  properties: ReadonlyMap<string, Schema>;
  required: ReadonlySet<string>;
  patternProperties: ReadonlyMap<string, Schema>;
  /** What other properties must be; absent: the schema does not say. */
  additional?: Schema;
  names?: Schema;
  minProperties: number;
  maxProperties: number;
  prefix: readonly Schema[];
  items?: Schema;
  contains?: Schema;
  minItems: number;
  maxItems: number;
  unique: boolean;
}

const ANY: Plain = {
  kinds: new Set(KINDS),
  excluded: [],
  integer: false,
  min: -Infinity,
  max: Infinity,
  above: false,
  below: false,
  multiples: [],
  minLength: 0,
  maxLength: Infinity,
  patterns: [],
  notPatterns: [],
  formats: [],
  properties: new Map(),
  required: new Set(),
  patternProperties: new Map(),
  minProperties: 0,
  maxProperties: Infinity,
  prefix: [],
  minItems: 0,
  maxItems: Infinity,
  unique: false,
};

/** Of one schema. */
const ALTERNATIVES = 512;

/** Everything else that JSON Schema knows says nothing about a value's form, or is refused by name. */
const REFUSED = ['unevaluatedItems', 'minContains', 'maxContains', 'dependencies', '$recursiveRef'];

export class Flattener {
  private readonly negations = new Map<Json, JsonObject>();
  private readonly known = new Map<JsonObject, Plain[]>();

  constructor(private readonly document: Document) {}

  /** Plain schemas of which a value must satisfy one. None: no value can. */
  flatten(schema: Schema, within: ReadonlySet<Schema> = new Set()): Plain[] {
    if (schema === true) return [ANY];
    if (schema === false) return [];
    const known = this.known.get(schema);
    if (known) return known;
    const at = this.document.pointer(schema);
    if (within.has(schema)) throw new KaiwenError('bad_input', `The schema at ${at} only refers to itself.`);
    const inside = new Set(within).add(schema);
    const flat = (value: Json | undefined, key: string) =>
      this.flatten(this.document.schema(value, `${at}/${key}`), inside);
    const list = (key: string) => {
      const value = schema[key];
      if (!Array.isArray(value) || value.length === 0) throw wrong(at, key, 'must be a list of schemas');
      return value.map((item, i) => flat(item, `${key}/${i}`));
    };

    let result = [this.own(schema, at)];
    const join = (others: Plain[]) => {
      if (result.length * others.length > ALTERNATIVES) {
        throw new KaiwenError('unsupported', `The schema at ${at} has more than ${ALTERNATIVES} alternatives.`, {
          remedy: 'Join fewer schemas with anyOf and oneOf.',
        });
      }
      result = result.flatMap((a) => others.map((b) => this.join(a, b)));
    };
    for (const key of ['$ref', '$dynamicRef']) {
      if (schema[key] !== undefined) join(this.flatten(this.document.resolve(schema[key], `${at}/${key}`), inside));
    }
    if (schema.allOf !== undefined) for (const option of list('allOf')) join(option);
    // That only one of oneOf holds is not looked at: see docs/constrained-output.md.
    for (const key of ['anyOf', 'oneOf']) if (schema[key] !== undefined) join(list(key).flat());
    if (schema.not !== undefined) join(this.negated(this.document.schema(schema.not, `${at}/not`), `${at}/not`));
    if (schema.if !== undefined && (schema.then !== undefined || schema.else !== undefined)) {
      const condition = this.document.schema(schema.if, `${at}/if`);
      const yes = cross(flat(condition, 'if'), flat(schema.then ?? true, 'then'), (a, b) => this.join(a, b));
      const no = cross(this.negated(condition, `${at}/if`), flat(schema.else ?? true, 'else'), (a, b) =>
        this.join(a, b),
      );
      join([...yes, ...no]);
    }
    for (const [name, needs] of entries(schema.dependentRequired, at, 'dependentRequired')) {
      join(this.depends(name, { required: needs }));
    }
    for (const [name, needs] of entries(schema.dependentSchemas, at, 'dependentSchemas')) {
      join(this.depends(name, this.document.schema(needs, `${at}/dependentSchemas`)));
    }
    if (schema.unevaluatedProperties !== undefined) {
      const rest = this.document.schema(schema.unevaluatedProperties, `${at}/unevaluatedProperties`);
      result = result.map((plain) => (plain.additional === undefined ? { ...plain, additional: rest } : plain));
    }
    this.known.set(schema, result);
    return result;
  }

  /** Where an object has property `name`, it satisfies `schema`. */
  private depends(name: string, schema: Schema): Plain[] {
    const without: Plain = { ...ANY, properties: new Map([[name, false]]) };
    return [without, ...this.flatten(schema).map((plain) => this.join(plain, { ...ANY, required: new Set([name]) }))];
  }

  /** What a schema says by itself. */
  private own(schema: JsonObject, at: string): Plain {
    for (const key of REFUSED) {
      if (schema[key] !== undefined) throw unsupported(at, key);
    }
    const count = (key: string, otherwise: number) => {
      const value = schema[key];
      if (value === undefined) return otherwise;
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
      throw wrong(at, key, 'must be a whole number from 0');
    };
    const number = (key: string) => {
      const value = schema[key];
      if (value === undefined || typeof value === 'boolean') return undefined;
      if (typeof value === 'number') return value;
      throw wrong(at, key, 'must be a number');
    };
    const texts = (key: string): string[] => {
      const value = schema[key] ?? [];
      if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value as string[];
      throw wrong(at, key, 'must be a list of texts');
    };
    const one = (key: string): string[] => {
      const value = schema[key];
      if (value !== undefined && typeof value !== 'string') throw wrong(at, key, 'must be a text');
      return value === undefined ? [] : [value];
    };
    const schemas = (key: string) =>
      new Map(
        entries(schema[key], at, key).map(([name, value]) => [
          name,
          this.document.schema(value, `${at}/${key}/${name}`),
        ]),
      );
    const maybe = (key: string) =>
      schema[key] === undefined ? undefined : this.document.schema(schema[key], `${at}/${key}`);

    const { kinds, integer } = kindsOf(schema, at);
    const values = schema.const !== undefined ? [schema.const] : schema.enum;
    if (values !== undefined && !Array.isArray(values)) throw wrong(at, 'enum', 'must be a list');
    const minimum = number('minimum') ?? -Infinity;
    const maximum = number('maximum') ?? Infinity;
    // Draft 4 had booleans.
    const over = schema.exclusiveMinimum === true ? minimum : (number('exclusiveMinimum') ?? -Infinity);
    const under = schema.exclusiveMaximum === true ? maximum : (number('exclusiveMaximum') ?? Infinity);
    const multiple = number('multipleOf');
    if (multiple !== undefined && !(multiple > 0)) throw wrong(at, 'multipleOf', 'must be above 0');
    const tuple = Array.isArray(schema.items) ? schema.items : undefined;
    const prefix = schema.prefixItems ?? tuple ?? [];
    if (!Array.isArray(prefix)) throw wrong(at, 'prefixItems', 'must be a list of schemas');
    return {
      ...ANY,
      kinds,
      integer,
      values: values as Json[] | undefined,
      min: Math.max(minimum, over),
      max: Math.min(maximum, under),
      above: over >= minimum && over > -Infinity,
      below: under <= maximum && under < Infinity,
      multiples: multiple === undefined ? [] : [multiple],
      minLength: count('minLength', 0),
      maxLength: count('maxLength', Infinity),
      patterns: one('pattern'),
      formats: one('format'),
      properties: schemas('properties'),
      required: new Set(texts('required')),
      patternProperties: schemas('patternProperties'),
      additional: maybe('additionalProperties'),
      names: maybe('propertyNames'),
      minProperties: count('minProperties', 0),
      maxProperties: count('maxProperties', Infinity),
      prefix: prefix.map((item, i) => this.document.schema(item, `${at}/prefixItems/${i}`)),
      items: tuple ? maybe('additionalItems') : maybe('items'),
      contains: maybe('contains'),
      minItems: count('minItems', 0),
      maxItems: count('maxItems', Infinity),
      unique: schema.uniqueItems === true,
    };
  }

  /** What satisfies both. */
  private join(a: Plain, b: Plain): Plain {
    if (a === ANY || a === b) return b;
    if (b === ANY) return a;
    const { document } = this;
    const [min, above] = tighter(a.min, a.above, b.min, b.above, 1);
    const [max, below] = tighter(a.max, a.below, b.max, b.below, -1);
    const properties = new Map<string, Schema>();
    for (const name of new Set([...a.properties.keys(), ...b.properties.keys()])) {
      properties.set(name, document.both(this.property(a, name), this.property(b, name)));
    }
    const patternProperties = new Map<string, Schema>();
    for (const pattern of new Set([...a.patternProperties.keys(), ...b.patternProperties.keys()])) {
      const said = [a, b].map(
        (plain) => plain.patternProperties.get(pattern) ?? (plain.patternProperties.size > 0 ? true : plain.additional),
      );
      patternProperties.set(pattern, document.both(said[0], said[1]));
    }
    const prefix: Schema[] = [];
    for (let i = 0; i < Math.max(a.prefix.length, b.prefix.length); i++) {
      prefix.push(document.both(a.prefix[i] ?? a.items, b.prefix[i] ?? b.items));
    }
    if (a.contains !== undefined && b.contains !== undefined && a.contains !== b.contains) {
      throw new KaiwenError('unsupported', 'Two schemas with "contains" cannot be joined.');
    }
    const either = (x?: Schema, y?: Schema) => (x === undefined && y === undefined ? undefined : document.both(x, y));
    const values =
      a.values && b.values ? a.values.filter((x) => b.values!.some((y) => same(x, y))) : (a.values ?? b.values);
    return {
      kinds: new Set([...a.kinds].filter((kind) => b.kinds.has(kind))),
      values,
      excluded: [...a.excluded, ...b.excluded],
      integer: a.integer || b.integer,
      ...{ min, max, above, below },
      multiples: [...new Set([...a.multiples, ...b.multiples])],
      minLength: Math.max(a.minLength, b.minLength),
      maxLength: Math.min(a.maxLength, b.maxLength),
      patterns: [...new Set([...a.patterns, ...b.patterns])],
      notPatterns: [...new Set([...a.notPatterns, ...b.notPatterns])],
      formats: [...new Set([...a.formats, ...b.formats])],
      properties,
      required: new Set([...a.required, ...b.required]),
      patternProperties,
      additional: either(a.additional, b.additional),
      names: either(a.names, b.names),
      minProperties: Math.max(a.minProperties, b.minProperties),
      maxProperties: Math.min(a.maxProperties, b.maxProperties),
      prefix,
      items: either(a.items, b.items),
      contains: a.contains ?? b.contains,
      minItems: Math.max(a.minItems, b.minItems),
      maxItems: Math.min(a.maxItems, b.maxItems),
      unique: a.unique || b.unique,
    };
  }

  /** What a plain schema says of a property that may be another's. */
  private property(plain: Plain, name: string): Schema | undefined {
    const own = plain.properties.get(name);
    if (own !== undefined) return own;
    const matched = [...plain.patternProperties].some(([pattern]) => matches(pattern, name));
    return matched ? undefined : plain.additional;
  }

  /** Plain schemas of which every value that does not satisfy `schema` satisfies one. */
  private negated(schema: Schema, at: string): Plain[] {
    if (schema === true) return [];
    if (schema === false) return [ANY];
    const results: Plain[] = [];
    const inner = (value: Json, key: string) =>
      this.negated(this.document.schema(value, `${at}/${key}`), `${at}/${key}`);
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'type') {
        // Of what is not an integer, numbers with a fraction are left out.
        const { kinds } = kindsOf(schema, at);
        results.push({ ...ANY, kinds: new Set(KINDS.filter((kind) => !kinds.has(kind))) });
      } else if (key === 'const') results.push({ ...ANY, excluded: [value] });
      else if (key === 'enum' && Array.isArray(value)) results.push({ ...ANY, excluded: value });
      else if (key === 'pattern' && typeof value === 'string') {
        results.push({ ...ANY, kinds: new Set<Kind>(['string']), notPatterns: [value] });
      } else if (key === 'required' && Array.isArray(value)) {
        for (const name of value) {
          results.push({ ...ANY, kinds: new Set<Kind>(['object']), properties: new Map([[String(name), false]]) });
        }
      } else if (key === 'properties' && isObject(value)) {
        for (const [name, property] of Object.entries(value)) {
          if (property === true) continue;
          const not = this.not(property);
          const kinds = new Set<Kind>(['object']);
          results.push({ ...ANY, kinds, properties: new Map([[name, not]]), required: new Set([name]) });
        }
      } else if (key === 'minimum' && typeof value === 'number') {
        results.push({ ...ANY, kinds: new Set<Kind>(['number']), max: value, below: true });
      } else if (key === 'maximum' && typeof value === 'number') {
        results.push({ ...ANY, kinds: new Set<Kind>(['number']), min: value, above: true });
      } else if (key === 'not') results.push(...this.flatten(this.document.schema(value, `${at}/not`)));
      else if (key === 'allOf' && Array.isArray(value))
        results.push(...value.flatMap((part, i) => inner(part, `allOf/${i}`)));
      else if ((key === 'anyOf' || key === 'oneOf') && Array.isArray(value)) {
        const parts = value.map((part, i) => inner(part, `${key}/${i}`));
        results.push(...parts.reduce((a, b) => cross(a, b, (x, y) => this.join(x, y)), [ANY]));
      } else if (!['title', 'description', '$comment', 'default', 'examples'].includes(key)) {
        throw unsupported(at, key);
      }
    }
    return results;
  }

  /** The same schema for the same, so that recursion ends. */
  private not(schema: Json): JsonObject {
    const known = this.negations.get(schema) ?? { not: schema };
    this.negations.set(schema, known);
    return known;
  }
}

/** Whether a value that is listed may stand, as far as what it contains is not asked about. */
export function admits(plain: Plain, value: Json): boolean {
  const kind: Kind = value === null ? 'null' : Array.isArray(value) ? 'array' : (typeof value as Kind);
  if (!plain.kinds.has(kind) || plain.excluded.some((other) => same(other, value))) return false;
  if (typeof value === 'number') return withinLimits(value, plain);
  if (typeof value !== 'string') return true;
  const length = [...value].length;
  if (length < plain.minLength || length > plain.maxLength) return false;
  return (
    plain.patterns.every((pattern) => matches(pattern, value)) && !plain.notPatterns.some((p) => matches(p, value))
  );
}

/** As the schema means it: anywhere in the text. */
export function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    try {
      return new RegExp(pattern).test(text);
    } catch (cause) {
      throw new KaiwenError('bad_input', `${pattern.slice(0, 100)} is no regular expression.`, { cause });
    }
  }
}

export function same(a: Json, b: Json): boolean {
  return JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));
}

function ordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value;
  return Object.keys(value)
    .sort()
    .map((key) => [key, ordered(value[key])]);
}

function kindsOf(schema: JsonObject, at: string): { kinds: ReadonlySet<Kind>; integer: boolean } {
  const { type, nullable } = schema;
  if (type === undefined) return { kinds: ANY.kinds, integer: false };
  const names = Array.isArray(type) ? type : [type];
  const kinds = new Set<Kind>(nullable === true ? ['null'] : []);
  for (const name of names) {
    if (name === 'integer') kinds.add('number');
    else if (KINDS.includes(name as Kind)) kinds.add(name as Kind);
    else throw wrong(at, 'type', `names ${String(JSON.stringify(name)).slice(0, 50)}, which is no type`);
  }
  return { kinds, integer: names.includes('integer') && !names.includes('number') };
}

function tighter(a: number, aOpen: boolean, b: number, bOpen: boolean, sign: 1 | -1): [number, boolean] {
  if (a === b) return [a, aOpen || bOpen];
  return sign * a > sign * b ? [a, aOpen] : [b, bOpen];
}

function cross<T>(a: readonly T[], b: readonly T[], join: (x: T, y: T) => T): T[] {
  if (a.length * b.length > ALTERNATIVES) throw new KaiwenError('unsupported', 'The schema has too many alternatives.');
  return a.flatMap((x) => b.map((y) => join(x, y)));
}

function entries(value: Json | undefined, at: string, key: string): [string, Json][] {
  if (value === undefined) return [];
  if (!isObject(value)) throw wrong(at, key, 'must be an object');
  return Object.entries(value);
}

function wrong(at: string, key: string, what: string): KaiwenError {
  return new KaiwenError('bad_input', `${at}/${key} of the schema ${what}.`);
}

function unsupported(at: string, key: string): KaiwenError {
  return new KaiwenError('unsupported', `${at}/${key} of the schema cannot be enforced.`, {
    remedy: 'Leave it out, or check it afterwards.',
  });
}
