/** The grammar of an object: named properties in their order, then others, with commas between those that are there. */
import { KaiwenError } from '../../../errors.js';
import { choice, EMPTY, type Expression, literal, repeat, sequence } from '../ebnf.js';
import type { Regex } from '../regex.js';
import { exactly } from './automaton.js';
import type { Schema } from './document.js';
import { matches, type Plain } from './flatten.js';
import type { SchemaGrammar } from './schema.js';

/** Patterns of property names, for each set of which there is a rule. */
const PATTERNS = 4;
/** Rules for how many properties there have been. */
const COUNTED = 4000;

interface Named {
  entry: Expression;
  required: boolean;
}

export class Entries {
  private readonly named: Named[] = [];
  private impossible = false;
  /** One property that has no name of its own in the schema. */
  private other?: Expression;
  private readonly rules = new Map<string, Expression | undefined>();

  constructor(
    private readonly grammar: SchemaGrammar,
    private readonly plain: Plain,
  ) {
    const additional = this.additional();
    const names = [...plain.properties.keys()];
    const listed = plain.names === undefined || additional === false ? undefined : grammar.listedNames(plain.names);
    for (const name of [...plain.required, ...(listed ?? [])]) if (!plain.properties.has(name)) names.push(name);
    for (const name of new Set(names)) this.add(name, additional);
    if (!listed) this.addOthers(additional, [...new Set(names)]);
  }

  /** What a property must be that has no name and no pattern. */
  private additional(): Schema {
    const { properties, patternProperties, additional } = this.plain;
    return additional ?? (properties.size === 0 && patternProperties.size === 0);
  }

  private add(name: string, additional: Schema): void {
    const { grammar, plain } = this;
    const required = plain.required.has(name);
    const patterns = [...plain.patternProperties].filter(([pattern]) => matches(pattern, name));
    let schema = plain.properties.get(name);
    // A name that is only required may have any value, where the schema says nothing else.
    if (schema === undefined && patterns.length === 0) schema = plain.additional === undefined ? true : additional;
    for (const [, other] of patterns) schema = grammar.document.both(schema, other);
    const entry =
      grammar.admitsName(plain.names, name) && schema !== undefined
        ? grammar.entry(literal(JSON.stringify(name)), schema)
        : undefined;
    if (entry) this.named.push({ entry, required });
    else if (required) this.impossible = true;
  }

  private addOthers(additional: Schema, names: readonly string[]): void {
    const { grammar, plain } = this;
    const patterns = [...plain.patternProperties.keys()];
    if (patterns.length > PATTERNS) {
      throw new KaiwenError('unsupported', `More than ${PATTERNS} patternProperties cannot be enforced together.`);
    }
    const options: Expression[] = [];
    const known: Regex[] = names.length === 0 ? [] : [{ kind: 'choice', options: names.map(exactly) }];
    for (let set = 0; set < 1 << patterns.length; set++) {
      const inside = patterns.filter((_, i) => set & (1 << i));
      let schema: Schema = additional;
      if (inside.length > 0) {
        schema = inside
          .map((pattern) => plain.patternProperties.get(pattern)!)
          .reduce((a, b) => grammar.document.both(a, b));
      }
      if (schema === false) continue;
      const outside = patterns.filter((pattern) => !inside.includes(pattern));
      const name = grammar.names(plain.names, inside, known, outside);
      const entry = name && grammar.entry(name, schema);
      if (entry) options.push(entry);
    }
    if (options.length > 0) this.other = grammar.ebnf.rule(choice(options));
  }

  body(): Expression | undefined {
    const { grammar, named } = this;
    const { minProperties, maxProperties } = this.plain;
    if (this.impossible || minProperties > maxProperties) return undefined;
    const fixed = named.filter(({ required }) => required).length;
    const most = this.other ? Infinity : named.length;
    if (fixed > maxProperties || minProperties > most) return undefined;
    const counts = minProperties > fixed || maxProperties < most;
    if (counts && named.length * Math.min(maxProperties, minProperties + named.length) > COUNTED) {
      throw new KaiwenError(
        'unsupported',
        '"minProperties" and "maxProperties" of so many properties cannot be enforced.',
      );
    }
    const body = this.rest(0, 0, false, counts);
    const mayBeEmpty = fixed === 0 && minProperties === 0;
    if (body === undefined) return mayBeEmpty ? literal('{}') : undefined;
    return grammar.bracketed('{', body, '}', mayBeEmpty);
  }

  /** What may come from the property `at` on, where `count` (if it matters) have come; nothing where no object does. */
  private rest(at: number, count: number, some: boolean, counts: boolean): Expression | undefined {
    const key = `${at} ${count} ${some}`;
    if (this.rules.has(key)) return this.rules.get(key);
    const body = at === this.named.length ? this.others(count, some, counts) : this.from(at, count, some, counts);
    const rule = body && this.grammar.ebnf.rule(body);
    this.rules.set(key, rule);
    return rule;
  }

  private from(at: number, count: number, some: boolean, counts: boolean): Expression | undefined {
    const { entry, required } = this.named[at];
    const options: Expression[] = [];
    const next = counts ? count + 1 : 0;
    if (!counts || next <= this.plain.maxProperties) {
      const rest = this.rest(at + 1, next, true, counts);
      if (rest) options.push(sequence(some ? '","' : EMPTY, some ? this.grammar.gap : EMPTY, entry, rest));
    }
    if (!required) {
      const without = this.rest(at + 1, count, some, counts);
      if (without) options.push(without);
    }
    return options.length === 0 ? undefined : choice(options);
  }

  private others(count: number, some: boolean, counts: boolean): Expression | undefined {
    const { other } = this;
    const { minProperties, maxProperties } = this.plain;
    const least = counts ? Math.max(0, minProperties - count) : 0;
    const most = counts ? maxProperties - count : Infinity;
    // An empty object is written apart.
    if (!other || most === 0) return least === 0 && some ? EMPTY : undefined;
    const comma = sequence('","', this.grammar.gap);
    if (some) return repeat(sequence(comma, other), least, most);
    return sequence(other, repeat(sequence(comma, other), Math.max(0, least - 1), most - 1));
  }
}
