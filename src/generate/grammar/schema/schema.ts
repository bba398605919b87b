/**
 * JSON Schema (draft 2020-12) to a grammar: a rule for each schema, so that recursion is the grammar's own. Properties
 * come in the order in which the schema has them. White space is a blank where models like to write one. Where a schema
 * names an object's properties, or an array's first items, and says nothing of others, there are no others.
 */
import { KaiwenError } from '../../../errors.js';
import type { Json } from '../../../formats/checkpoint.js';
import { choice, Ebnf, EMPTY, type Expression, literal, repeat, sequence } from '../ebnf.js';
import { complement, parsePattern, parseRegex, type Regex } from '../regex.js';
import { exactly, textSetBody } from './automaton.js';
import { Document, isObject, type Schema } from './document.js';
import { admits, Flattener, KINDS, type Kind, type Plain, same } from './flatten.js';
import { FORMATS } from './formats.js';
import { anyNumber, numberBody } from './numbers.js';
import { Entries } from './object.js';

/** Values of an array without repetition, for each set of which there is a rule. */
const UNIQUE = 8;

/** White space behind an opening bracket, a comma or a colon and before a closing bracket: weak models take all they can. */
const GAP = '" "?';
/** Code points that a JSON text has as they are, and how it writes any of them otherwise. */
const PLAIN = complement([
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]);
const ESCAPE =
  '"\\\\" (["\\\\/bfnrt] | "u" ([0-9a-cefA-CEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2} | ' +
  '[dD] [89abAB] [0-9a-fA-F]{2} "\\\\u" [dD] [c-fC-F] [0-9a-fA-F]{2}))';

/** The grammar of all JSON that `schema` (JSON text) allows. Throws KaiwenError 'bad_input' or 'unsupported'. */
export function schemaGrammar(schema: string): string {
  return new SchemaGrammar(schema).text();
}

export class SchemaGrammar {
  readonly ebnf = new Ebnf();
  readonly document: Document;
  private readonly flattener: Flattener;
  private readonly rules = new Map<Schema, { name: Expression; open: boolean; used: boolean; empty: boolean }>();
  private readonly shared = new Map<string, Expression>();

  constructor(schema: string) {
    this.document = new Document(schema);
    this.flattener = new Flattener(this.document);
  }

  text(): string {
    const root = this.value(this.document.root);
    if (root === undefined) throw new KaiwenError('bad_input', 'No value can satisfy the schema.');
    return this.ebnf.text(root);
  }

  /** A value that satisfies `schema`; nothing where there is none. */
  value(schema: Schema): Expression | undefined {
    const known = this.rules.get(schema);
    if (known) {
      known.used = true;
      return known.empty ? undefined : known.name;
    }
    const rule = { name: this.ebnf.name(), open: true, used: false, empty: false };
    this.rules.set(schema, rule);
    const bodies = this.located(schema, () => this.flattener.flatten(schema).flatMap((plain) => this.bodies(plain)));
    rule.open = false;
    rule.empty = bodies.length === 0;
    if (rule.empty) {
      if (rule.used) throw new KaiwenError('bad_input', 'No value can satisfy a schema that refers to itself.');
      return undefined;
    }
    this.ebnf.define(rule.name, choice(bodies));
    return rule.name;
  }

  readonly gap: Expression = GAP;

  /** A property's name, as JSON, and its value. */
  entry(name: Expression, schema: Schema): Expression | undefined {
    const value = this.value(schema);
    return value && sequence(name, '":"', this.gap, value);
  }

  /** The texts, in quotes, that property names satisfying `schema` and the patterns are. */
  names(
    schema: Schema | undefined,
    matching: readonly string[],
    excluded: readonly Regex[],
    others: readonly string[],
  ) {
    const bodies: Expression[] = [];
    for (const plain of this.flattener.flatten(schema ?? true)) {
      if (!plain.kinds.has('string')) continue;
      const found = matching.map((pattern) => parseRegex(pattern, true));
      const body = this.string({ ...plain, notPatterns: [...plain.notPatterns, ...others] }, found, excluded);
      if (body) bodies.push(body);
    }
    return bodies.length === 0 ? undefined : choice(bodies);
  }

  /** The names that `schema` lists, if it does. */
  listedNames(schema: Schema): string[] | undefined {
    const plains = this.flattener.flatten(schema);
    if (!plains.every(({ values }) => values)) return undefined;
    const values = plains.flatMap((plain) => plain.values!.filter((value) => admits(plain, value)));
    return [...new Set(values.filter((value) => typeof value === 'string'))];
  }

  admitsName(schema: Schema | undefined, name: string): boolean {
    if (schema === undefined) return true;
    return this.flattener.flatten(schema).some((plain) => {
      return admits(plain, name) && (!plain.values || plain.values.includes(name));
    });
  }

  private bodies(plain: Plain): Expression[] {
    if (plain.values) return this.listed(plain);
    const bodies: Expression[] = [];
    for (const kind of KINDS) {
      const body = plain.kinds.has(kind) ? this.kind(kind, plain) : undefined;
      if (body) bodies.push(body);
    }
    return bodies;
  }

  private listed(plain: Plain): Expression[] {
    const values = plain.values!.filter((value) => admits(plain, value));
    // Most lists are of texts and numbers; what is inside of others must fit as well.
    return values
      .filter((value) => !isNested(value) || this.fits(plain, value))
      .map((value) => literal(compact(value)));
  }

  private fits(plain: Plain, value: Json): boolean {
    if (Array.isArray(value)) return value.length >= plain.minItems && value.length <= plain.maxItems;
    const names = Object.keys(value as object);
    return [...plain.required].every((name) => names.includes(name));
  }

  private kind(kind: Kind, plain: Plain): Expression | undefined {
    const excluded = plain.excluded;
    switch (kind) {
      case 'null':
        return excluded.includes(null) ? undefined : '"null"';
      case 'boolean': {
        const left = [true, false].filter((value) => !excluded.includes(value)).map((value) => `"${value}"`);
        return left.length === 0 ? undefined : choice(left);
      }
      case 'number': {
        if (excluded.some((value) => typeof value === 'number' && admits({ ...plain, excluded: [] }, value))) {
          throw new KaiwenError('unsupported', 'Single numbers cannot be excluded.');
        }
        if (plain.min === -Infinity && plain.max === Infinity && plain.multiples.length === 0) {
          return this.share(`number ${plain.integer}`, () => anyNumber(plain.integer));
        }
        if (plain.min > plain.max) return undefined;
        return numberBody(plain, this.ebnf);
      }
      case 'string':
        return this.string(plain, [], []);
      case 'array':
        if (excluded.some(Array.isArray)) throw new KaiwenError('unsupported', 'Single arrays cannot be excluded.');
        return this.array(plain);
      case 'object':
        if (excluded.some(isObject)) throw new KaiwenError('unsupported', 'Single objects cannot be excluded.');
        return new Entries(this, plain).body();
    }
  }

  /** A text in quotes that is also one of `found` and none of `excluded`. */
  private string(plain: Plain, found: readonly Regex[], excluded: readonly Regex[]): Expression | undefined {
    const { minLength, maxLength, patterns, notPatterns } = plain;
    if (minLength > maxLength) return undefined;
    const texts = plain.excluded.filter((value): value is string => typeof value === 'string');
    const formats = plain.formats.flatMap((format) => FORMATS.get(format) ?? []);
    const wanted = [...found, ...patterns.map(parsePattern), ...formats.map((format) => parseRegex(format))];
    const unwanted = [...excluded, ...texts.map(exactly), ...notPatterns.map((pattern) => parseRegex(pattern, true))];
    const quoted = (body: Expression) => sequence('"\\""', body, '"\\""');
    if (unwanted.length === 0 && wanted.length === 0) {
      const character = this.share('character', () => choice([this.ebnf.characters(PLAIN, 'text'), ESCAPE]));
      return quoted(repeat(character, minLength, maxLength));
    }
    if (unwanted.length === 0 && wanted.length === 1) {
      const [least, most] = lengths(wanted[0]);
      if (least >= minLength && most <= maxLength) return quoted(this.ebnf.rule(this.ebnf.regex(wanted[0], 'json')));
    }
    const body = textSetBody({ matches: wanted, excludes: unwanted, minLength, maxLength }, this.ebnf);
    return body && quoted(body);
  }

  private array(plain: Plain): Expression | undefined {
    const { prefix, items, minItems, maxItems, contains, unique } = plain;
    if (minItems > maxItems) return undefined;
    // A tuple that says nothing of further items has none, unless it must.
    const rest = items ?? (prefix.length === 0 || minItems > prefix.length);
    if (unique && maxItems > 1) return this.uniqueArray(plain, rest);
    if (contains !== undefined) return this.arrayWith(plain, contains, rest);
    const item = this.value(rest);
    const heads: Expression[] = [];
    for (const schema of prefix.slice(0, maxItems)) {
      const head = this.value(schema);
      // No array is longer than what comes before an item that cannot be.
      if (!head) return minItems > heads.length ? undefined : this.list(heads, undefined, minItems, heads.length);
      heads.push(head);
    }
    return this.list(heads, item, minItems, item ? maxItems : Math.min(maxItems, heads.length));
  }

  /** Items of which the first ones are given, from `min` to `max` in all. */
  private list(
    heads: readonly Expression[],
    item: Expression | undefined,
    min: number,
    max: number,
  ): Expression | undefined {
    const comma = sequence('","', this.gap);
    if (min > max) return undefined;
    let body: Expression = EMPTY;
    if (max > heads.length && item) {
      const count = heads.length;
      if (count > 0) body = repeat(sequence(comma, item), Math.max(0, min - count), max - count);
      else {
        const more = repeat(sequence(comma, item), Math.max(0, min - 1), max - 1);
        body = min === 0 ? `(${sequence(item, more)})?` : sequence(item, more);
      }
    }
    for (let i = Math.min(heads.length, max) - 1; i >= 0; i--) {
      const one = sequence(i > 0 ? comma : EMPTY, heads[i], body);
      body = min > i ? one : `(${one})?`;
      body = this.ebnf.rule(body);
    }
    return this.bracketed('[', body, ']', min === 0);
  }

  /** Brackets with their white space; an empty pair has none. */
  bracketed(open: string, body: Expression, close: string, mayBeEmpty: boolean): Expression {
    if (body === EMPTY) return literal(open + close);
    const full = sequence(literal(open), this.gap, body, this.gap, literal(close));
    return mayBeEmpty ? choice([literal(open + close), full]) : full;
  }

  /** Of listed values each may come once, in any order. */
  private uniqueArray(plain: Plain, rest: Schema): Expression | undefined {
    const plains = this.flattener.flatten(rest);
    const values: Json[] = [];
    for (const one of plains) {
      const listed = one.values ?? (one.kinds.size === 1 && one.kinds.has('boolean') ? [true, false] : undefined);
      if (!listed) throw cannot('uniqueItems', 'of anything but listed values');
      for (const value of listed)
        if (admits(one, value) && !values.some((other) => same(other, value))) values.push(value);
    }
    if (plain.prefix.length > 0 || plain.contains !== undefined)
      throw cannot('uniqueItems', 'beside prefixItems or contains');
    if (values.length > UNIQUE) throw cannot('uniqueItems', `of more than ${UNIQUE} listed values`);
    const { minItems } = plain;
    const maxItems = Math.min(plain.maxItems, values.length);
    if (minItems > maxItems) return undefined;
    const rules = new Map<number, Expression>();
    const after = (used: number, count: number): Expression => {
      const known = rules.get(used);
      if (known) return known;
      const options: Expression[] = count >= minItems && count > 0 ? [EMPTY] : [];
      if (count < maxItems) {
        values.forEach((value, i) => {
          if (used & (1 << i)) return;
          const comma = count > 0 ? sequence('","', this.gap) : EMPTY;
          options.push(sequence(comma, literal(compact(value)), after(used | (1 << i), count + 1)));
        });
      }
      const rule = this.ebnf.rule(choice(options));
      rules.set(used, rule);
      return rule;
    };
    return maxItems === 0 ? literal('[]') : this.bracketed('[', after(0, 0), ']', minItems === 0);
  }

  /** At least one item satisfies `contains`. */
  private arrayWith(plain: Plain, contains: Schema, rest: Schema): Expression | undefined {
    const { prefix, minItems, maxItems } = plain;
    if (prefix.length > 0) throw cannot('contains', 'beside prefixItems');
    const item = this.value(rest);
    const wanted = this.value(this.document.both(rest, contains));
    if (!wanted || maxItems < 1) return undefined;
    const comma = sequence('","', this.gap);
    if (!item) return undefined;
    const least = Math.max(1, minItems);
    if (maxItems === Infinity) {
      if (least > 1) throw cannot('contains', 'beside minItems above 1');
      const others = repeat(sequence(item, comma), 0, Infinity);
      return this.bracketed('[', sequence(others, wanted, repeat(sequence(comma, item), 0, Infinity)), ']', false);
    }
    const options: Expression[] = [];
    if (maxItems > 64) throw cannot('contains', 'beside maxItems above 64');
    for (let before = 0; before < maxItems; before++) {
      const behind = repeat(sequence(comma, item), Math.max(0, least - 1 - before), maxItems - 1 - before);
      options.push(sequence(repeat(sequence(item, comma), before, before), wanted, behind));
    }
    return this.bracketed('[', choice(options), ']', false);
  }

  private share(key: string, body: () => Expression): Expression {
    const known = this.shared.get(key);
    if (known) return known;
    const name = this.ebnf.name();
    this.ebnf.define(name, body());
    this.shared.set(key, name);
    return name;
  }

  /** An error of `action` names the schema. */
  private located<T>(schema: Schema, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof KaiwenError) || typeof schema === 'boolean' || error.message.includes('#')) throw error;
      const { code, message, remedy } = error;
      throw new KaiwenError(code, `At ${this.document.pointer(schema)} of the schema: ${message}`, {
        remedy,
        cause: error,
      });
    }
  }
}

function cannot(keyword: string, what: string): KaiwenError {
  return new KaiwenError('unsupported', `"${keyword}" ${what} cannot be enforced.`, {
    remedy: 'Leave it out, or check it afterwards.',
  });
}

/** As models write JSON on one line. */
function compact(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(compact).join(', ')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, item]) => `${JSON.stringify(name)}: ${compact(item)}`)
    .join(', ')}}`;
}

function isNested(value: Json): boolean {
  return typeof value === 'object' && value !== null;
}

/** The least and most characters of a match. */
function lengths(regex: Regex): [number, number] {
  switch (regex.kind) {
    case 'class':
      return [1, 1];
    case 'sequence':
      return regex.parts.map(lengths).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
    case 'choice': {
      const all = regex.options.map(lengths);
      return [Math.min(...all.map(([least]) => least)), Math.max(...all.map(([, most]) => most))];
    }
    case 'repeat': {
      const [least, most] = lengths(regex.part);
      return [least * regex.min, most === 0 ? 0 : most * regex.max];
    }
  }
}
