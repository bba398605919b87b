/** Random texts of a schema's grammar satisfy the schema, as an independent validator sees it. */
import { type Schema, Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { type CompiledGrammar, compile, END, type Matcher } from '../xgrammar.js';
import { schemaGrammar } from './schema.js';

const grammarOf = (schema: unknown): Promise<CompiledGrammar> =>
  compile({ kind: 'ebnf', text: schemaGrammar(JSON.stringify(schema)) });

/** A text that the grammar allows; what ends things is more likely than anything else. */
function randomText(matcher: Matcher, seed: number): string {
  let state = seed * 2654435761 + 1;
  const random = () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
  const bytes: number[] = [];
  for (;;) {
    const words = matcher.GetNextTokenBitmask(END + 1);
    const next: number[] = [];
    for (let bit = 0; bit <= END; bit++) if ((words.get(bit >> 5) >>> (bit & 31)) & 1) next.push(bit);
    words.delete();
    const ends = next.filter((bit) => bit === END || bit === 0x22 || bit === 0x7d || bit === 0x5d);
    // Once it is long, it comes to an end.
    const from = ends.length > 0 && random() < (bytes.length > 300 ? 0.9 : 0.25) ? ends : next;
    const chosen = from[Math.floor(random() * from.length)];
    if (chosen === undefined) throw new Error(`nothing may follow ${Buffer.from(bytes)}`);
    if (chosen === END) break;
    matcher.AcceptToken(chosen, false);
    bytes.push(chosen);
    if (bytes.length > 20_000) throw new Error(`no end: ${Buffer.from(bytes).toString().slice(0, 300)}`);
  }
  return Buffer.from(bytes).toString();
}

function allows(matcher: Matcher, text: string): boolean {
  const taken = matcher.AcceptString(Buffer.from(text), false);
  if (!taken) return false;
  const words = matcher.GetNextTokenBitmask(END + 1);
  const ends = (words.get(END >> 5) >>> (END & 31)) & 1;
  words.delete();
  matcher.Rollback(1);
  return ends === 1;
}

const word = { type: 'string', pattern: '^[a-z]{1,5}$' };

/** Schemas; values that must be writable (as JSON.stringify writes them), and some that must not. */
const CASES: Record<string, { schema: unknown; yes?: unknown[]; no?: unknown[] }> = {
  anything: { schema: true, yes: [null, 'é"\n', [1, [{}]], { a: { b: [] } }, 1e21, -0.5] },
  types: { schema: { type: ['null', 'integer', 'boolean'] }, yes: [null, 12, -3, true], no: ['a', 0.5, [], {}] },
  enum: { schema: { enum: ['a', 'ü', 3, null, { x: 1 }, '"'] }, yes: ['a', 'ü', 3, null, '"'], no: ['b', 4, true] },
  'enum and type': {
    schema: { type: 'string', enum: ['a', 1, 'toolong'], maxLength: 3 },
    yes: ['a'],
    no: [1, 'toolong'],
  },
  const: { schema: { const: { a: [1, 'x'] } }, no: [{ a: [1] }, 1] },
  person: {
    schema: {
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 8 },
        age: { type: 'integer', minimum: 0, maximum: 130 },
        email: { type: 'string', format: 'email' },
      },
      required: ['name', 'age'],
      additionalProperties: false,
    },
    yes: [
      { name: 'Ada', age: 36 },
      { name: 'Ada', age: 130, email: 'a@b.co' },
    ],
    no: [{ name: 'Ada' }, { name: '', age: 1 }, { name: 'Ada', age: 131 }, { name: 'Ada', age: 1, x: 1 }, {}],
  },
  'open object': {
    schema: { properties: { a: { type: 'integer' } }, additionalProperties: word, type: 'object' },
    yes: [{}, { a: 1 }, { b: 'x' }, { a: 1, b: 'x', aa: 'y' }],
    no: [{ a: 'x' }, { b: 1 }],
  },
  'required without a schema': {
    schema: { type: 'object', required: ['x'] },
    yes: [{ x: [1] }, { x: 1, y: 2 }],
    no: [{}, { y: 1 }],
  },
  'counted properties': {
    schema: {
      type: 'object',
      properties: { a: word, b: word, c: word },
      required: ['b'],
      minProperties: 2,
      maxProperties: 2,
    },
    yes: [
      { a: 'x', b: 'x' },
      { b: 'x', c: 'x' },
    ],
    no: [{ b: 'x' }, { a: 'x', b: 'x', c: 'x' }, { a: 'x', c: 'x' }],
  },
  'counted others': {
    schema: { type: 'object', additionalProperties: word, minProperties: 1, maxProperties: 2 },
    yes: [{ q: 'x' }, { q: 'x', r: 'y' }],
    no: [{}, { a: 'x', b: 'x', c: 'x' }],
  },
  patternProperties: {
    schema: {
      type: 'object',
      properties: { x_fixed: { maxLength: 2 } },
      patternProperties: { '^x_': { type: 'string' }, _n$: { type: 'integer' } },
      additionalProperties: { type: 'boolean' },
    },
    yes: [{ x_fixed: 'ab', x_q: 'long', a_n: 4, other: true }],
    no: [{ x_fixed: 1 }, { x_fixed: 'abc' }, { x_q: 1 }, { a_n: 'x' }, { other: 1 }, { x_n: 1 }, { x_n: 'a' }],
  },
  'only patterns': {
    schema: { type: 'object', patternProperties: { '^[a-c]+$': { type: 'integer' } }, additionalProperties: false },
    yes: [{}, { abc: 1 }],
    no: [{ d: 1 }, { abc: 'x' }],
  },
  'propertyNames by pattern': {
    schema: { type: 'object', propertyNames: { pattern: '^[A-Z]{1,3}$' }, additionalProperties: { type: 'integer' } },
    yes: [{ AB: 1 }],
    no: [{ ab: 1 }, { ABCD: 1 }],
  },
  'propertyNames by list': {
    schema: { type: 'object', propertyNames: { enum: ['red', 'blue'] }, additionalProperties: { type: 'integer' } },
    yes: [{}, { red: 1, blue: 2 }],
    no: [{ green: 1 }, { red: 'x' }],
  },
  dependentRequired: {
    schema: { type: 'object', properties: { card: word, address: word }, dependentRequired: { card: ['address'] } },
    yes: [{}, { address: 'x' }, { card: 'x', address: 'x' }],
    no: [{ card: 'x' }],
  },
  arrays: {
    schema: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 9 }, minItems: 2, maxItems: 4 },
    yes: [
      [1, 2],
      [1, 2, 3, 4],
    ],
    no: [[1], [1, 2, 3, 4, 5], [0, 1], ['a', 1]],
  },
  tuples: {
    schema: { type: 'array', prefixItems: [{ const: 1 }, word], items: { type: 'boolean' }, minItems: 1, maxItems: 4 },
    yes: [[1], [1, 'a'], [1, 'a', true, false]],
    no: [[], ['a'], [1, 2], [1, 'a', 1], [1, 'a', true, true, true]],
  },
  'closed tuples': {
    schema: { type: 'array', prefixItems: [word, word], items: false },
    yes: [[], ['a'], ['a', 'b']],
    no: [['a', 'b', 'c']],
  },
  contains: {
    schema: { type: 'array', items: { enum: ['a', 'b'] }, contains: { const: 'b' }, maxItems: 3 },
    yes: [['b'], ['a', 'a', 'b']],
    no: [['a'], []],
  },
  uniqueItems: {
    schema: { type: 'array', items: { enum: ['a', 'b', 'c'] }, uniqueItems: true, minItems: 1 },
    yes: [['c', 'a'], ['b']],
    no: [['a', 'a'], []],
  },
  integers: {
    schema: { type: 'integer', minimum: -12, maximum: 105 },
    yes: [-12, -1, 0, 9, 10, 99, 100, 105],
    no: [-13, 106, 1.5, 200],
  },
  'one bound': {
    schema: { type: 'integer', exclusiveMinimum: 17 },
    yes: [18, 20, 99, 100, 123456],
    no: [17, 9, 0, -20],
  },
  'below zero': { schema: { type: 'integer', maximum: -5 }, yes: [-5, -6, -10, -4444], no: [-4, 0, 5] },
  numbers: {
    schema: { type: 'number', minimum: -0.25, exclusiveMaximum: 2.5 },
    yes: [-0.25, 0, 0.125, 2, 2.49],
    no: [-0.26, 2.5, 3, -1],
  },
  multiples: {
    schema: { type: 'integer', multipleOf: 7, minimum: 10, maximum: 1000 },
    yes: [14, 994],
    no: [7, 15, 1001],
  },
  cents: {
    schema: { type: 'number', multipleOf: 0.05, minimum: 0, maximum: 3 },
    yes: [0, 0.05, 1.5, 3],
    no: [0.01, 1.234, 3.05],
  },
  lengths: { schema: { type: 'string', minLength: 2, maxLength: 3 }, yes: ['ab', '好好好', '"\\'], no: ['a', 'abcd'] },
  patterns: {
    schema: { type: 'string', pattern: '^(\\d{2}|[^a-z"]+x)[\\w.-]*$' },
    yes: ['12a', 'A\\x'],
    no: ['1', 'ax'],
  },
  'pattern and length': {
    schema: { type: 'string', pattern: '^[a-z]+(-[a-z]+)*$', minLength: 3, maxLength: 6 },
    yes: ['abc', 'a-b-c'],
    no: ['ab', 'a--b', 'abcdefg'],
  },
  'not a pattern': { schema: { type: 'string', not: { pattern: 'a' }, maxLength: 4 }, yes: ['bcd'], no: ['bad'] },
  'not a value': {
    schema: { type: 'string', not: { enum: ['yes', 'no'] } },
    yes: ['maybe', 'ye', 'nope'],
    no: ['yes', 'no'],
  },
  'not a type': { schema: { not: { type: ['object', 'array'] } }, yes: [1, 'a', null], no: [{}, []] },
  allOf: {
    schema: {
      allOf: [
        { type: 'object', properties: { a: { type: 'integer', minimum: 3 } }, required: ['a'] },
        { properties: { a: { maximum: 5 }, b: word }, required: ['b'] },
      ],
    },
    yes: [{ a: 3, b: 'x' }],
    no: [{ a: 2, b: 'x' }, { a: 6, b: 'x' }, { a: 3 }],
  },
  anyOf: {
    schema: {
      type: 'object',
      properties: { kind: word },
      required: ['kind'],
      anyOf: [
        { properties: { n: { type: 'integer' } }, required: ['n'] },
        { properties: { t: word }, required: ['t'] },
      ],
    },
    yes: [
      { kind: 'a', n: 1 },
      { kind: 'a', t: 'x' },
    ],
    no: [{ kind: 'a' }, { n: 1 }],
  },
  oneOf: {
    schema: {
      oneOf: [
        { type: 'object', properties: { kind: { const: 'a' }, x: word }, required: ['kind', 'x'] },
        { type: 'object', properties: { kind: { const: 'b' } }, required: ['kind'] },
      ],
    },
    yes: [{ kind: 'a', x: 'q' }, { kind: 'b' }],
    no: [{ kind: 'a' }, { kind: 'c' }],
  },
  conditions: {
    schema: JSON.parse(`{
      "type": "object",
      "properties": { "country": { "enum": ["us", "nl"] }, "code": { "type": "string" } },
      "required": ["country", "code"],
      "if": { "properties": { "country": { "const": "us" } } },
      "then": { "properties": { "code": { "pattern": "^[0-9]{5}$" } } },
      "else": { "properties": { "code": { "pattern": "^[0-9]{4}[A-Z]{2}$" } } }
    }`),
    yes: [
      { country: 'us', code: '12345' },
      { country: 'nl', code: '1234AB' },
    ],
    no: [
      { country: 'nl', code: '12345' },
      { country: 'us', code: '1234AB' },
    ],
  },
  recursion: {
    schema: {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: { v: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          required: ['v', 'next'],
        },
      },
    },
    yes: [{ v: 1, next: { v: 2, next: null } }],
    no: [{ v: 1 }, { v: 1, next: 2 }],
  },
  'references with more': {
    schema: { $ref: '#word', maxLength: 2, $defs: { w: { $anchor: 'word', type: 'string', pattern: '^[a-z]*$' } } },
    yes: ['ab'],
    no: ['abc', 'A'],
  },
  'recursion through joins': {
    schema: {
      $defs: { tree: { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#/$defs/tree' } } } } },
      allOf: [{ $ref: '#/$defs/tree' }],
      required: ['kids'],
      unevaluatedProperties: false,
    },
    yes: [{ kids: [] }, { kids: [{}, { kids: [{}] }] }],
    no: [{}, { kids: [1] }],
  },
  'names that are traps': {
    schema: JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"integer"},"constructor":{"type":"integer"}},"required":["__proto__","constructor"]}',
    ),
    no: [{}],
  },
  'names with signs': {
    schema: { type: 'object', properties: { 'a"b\\\n': word, ключ: word }, required: ['a"b\\\n', 'ключ'] },
    yes: [{ 'a"b\\\n': 'x', ключ: 'y' }],
  },
};
for (const format of ['date', 'time', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid', 'uri']) {
  CASES[`format ${format}`] = { schema: { type: 'string', format }, no: ['', 'not that!', 5] };
}

describe('what a schema allows', () => {
  it.each(Object.entries(CASES))('%s', async (_, { schema, yes = [], no = [] }) => {
    const grammar = await grammarOf(schema);
    const validator = new Validator(schema as Schema, '2020-12', false);
    for (let seed = 0; seed < 25; seed++) {
      const matcher = await grammar.matcher();
      const text = randomText(matcher, seed);
      matcher.delete();
      const { valid, errors } = validator.validate(JSON.parse(text));
      expect({ text, errors: valid ? [] : errors }).toEqual({ text, errors: [] });
      expect(text).not.toMatch(/\s{30}/);
    }
    const matcher = await grammar.matcher();
    for (const value of yes) expect([value, allows(matcher, JSON.stringify(value))]).toEqual([value, true]);
    for (const value of no) expect([value, allows(matcher, JSON.stringify(value))]).toEqual([value, false]);
  });
});

it('knows the null of OpenAPI', async () => {
  const matcher = await (await grammarOf({ type: 'string', nullable: true, maxLength: 3 })).matcher();
  expect(['null', '"abc"', '"abcd"'].map((text) => allows(matcher, text))).toEqual([true, true, false]);
});

describe('what cannot be', () => {
  it.each([
    [
      'names the keyword and where it stands',
      { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } },
      /#\/properties\/a.*uniqueItems/,
    ],
    ['refers outside', { $ref: 'https://example.org/x.json' }, /example\.org/],
    ['refers to nothing', { $ref: '#/$defs/x' }, /not there/],
    ['refers to itself', { $ref: '#' }, /only refers to itself/],
    ['has no value', { type: 'string', minLength: 3, maxLength: 2 }, /No value/],
    ['is no type', { type: 'text' }, /text.*no type/],
    ['is no schema', 3, /neither an object nor a boolean/],
    ['looks ahead', { type: 'string', pattern: '^(?=a)b' }, /looking ahead/],
  ])('%s', (_, schema, message) => {
    expect(() => schemaGrammar(JSON.stringify(schema))).toThrow(message);
  });
});
