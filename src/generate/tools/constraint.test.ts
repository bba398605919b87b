/** What a model that wants something gets to say under a constraint: just that, or something else. */
import { describe, expect, it } from 'vitest';
import { GuidedEngine } from '../../../test/guided-engine.js';
import { ByteTokenizer } from '../../../test/scripted-engine.js';
import type { JsonObject } from '../../formats/checkpoint.js';
import type { GrammarSource } from '../engine.js';
import { answerGrammar, type Wanted } from './constraint.js';
import { readTools } from './definitions.js';
import { formatGrammar } from './format.js';

const tokenizer = new ByteTokenizer(['<|im_end|>']);
let wish = '';
const engine = new GuidedEngine(tokenizer, () => tokenizer.encode(wish));
const sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

/** What the model says that wants to say `text`. */
async function said(grammar: GrammarSource | undefined, text: string): Promise<string> {
  wish = text;
  const ids: number[] = [];
  const request = {
    tokens: [65],
    maxTokens: text.length + 50,
    stopTokens: tokenizer.eosTokens,
    detectRepetition: false,
  };
  for await (const event of engine.generate({ ...request, sampling, ...(grammar && { grammar }) })) {
    if (event.type === 'token') ids.push(event.id);
  }
  return tokenizer.decode(ids);
}

async function expectAllowed(grammar: GrammarSource | undefined, texts: readonly string[]): Promise<void> {
  for (const text of texts) expect(await said(grammar, text)).toBe(text);
}

async function expectRefused(grammar: GrammarSource | undefined, texts: readonly string[]): Promise<void> {
  for (const text of texts) expect(await said(grammar, text)).not.toBe(text);
}

const parameters: JsonObject = {
  type: 'object',
  properties: {
    text: { type: 'string' },
    unit: { enum: ['C', 'F', null] },
    mode: { anyOf: [{ enum: ['a "b"', 'c'] }, { type: 'null' }] },
    free: { type: ['string', 'integer'] },
    place: { $ref: '#/$defs/place' },
    code: { type: 'string', pattern: '[A-Z]{3}' },
    short: { type: 'string', maxLength: 3 },
  },
  required: ['text'],
  $defs: { place: { type: 'object', properties: { in: { $ref: '#/$defs/place' }, n: { type: 'integer' } } } },
};
const tool = (name: string, schema?: JsonObject): JsonObject => ({
  type: 'function',
  function: { name, ...(schema && { parameters: schema }) },
});
const wanted = (more: Partial<Wanted>): Wanted => ({
  tools: readTools([tool('go', parameters), tool('now')]),
  choice: 'required',
  parallel: true,
  calls: 'hermes',
  ...more,
});
const json = (name: string, args: string) => `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;
const xml = (name: string, args: [string, string][]) =>
  `<tool_call>\n<function=${name}>\n${args
    .map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`)
    .join('')}</function>\n</tool_call>`;

describe('calls', () => {
  const now = json('now', '{}');

  it('may come after any text, or must be all there is', async () => {
    const auto = answerGrammar(wanted({ choice: 'auto' }));
    await expectAllowed(auto, ['Hi <b>, {', `Hi.\n\n${now}\n${now} Bye.`, '']);
    await expectRefused(auto, ['a <tool_call> is', `${now.slice(0, 40)} no`, json('rm', '{}')]);
    const required = answerGrammar(wanted({}));
    await expectAllowed(required, [now, `${now}\n${json('go', '{"text": "</tool_call>"}')}`]);
    await expectRefused(required, ['Hi', '', `Hi ${now}`, `${now} Bye.`, json('go', '{}'), json('now', '{"a": 1}')]);
  });

  it('may be only of the tool that is named, or only one', async () => {
    await expectRefused(answerGrammar(wanted({ choice: { name: 'go' } })), [now]);
    for (const choice of ['auto', 'required'] as const) {
      const one = answerGrammar(wanted({ choice, parallel: false }));
      await expectAllowed(one, [now]);
      await expectRefused(one, [`${now}\n${now}`]);
    }
  });

  it('stand beside a format, and either holds', async () => {
    const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
    const either = answerGrammar(wanted({ choice: 'auto', format: { type: 'json_schema', schema } }));
    await expectAllowed(either, ['{"a": 1}', now, `${now}\n${now}`]);
    await expectRefused(either, ['Hi', '{"a": "x"}', `{"a": 1}${now}`, `Hi ${now}`, '']);
    const none = answerGrammar(wanted({ choice: 'none', format: { type: 'choice', choices: ['yes', 'no'] } }));
    await expectAllowed(none, ['yes']);
    await expectRefused(none, [now]);
  });

  it('cannot be asked for where there are none', () => {
    expect(() => answerGrammar(wanted({ tools: [] }))).toThrow(/must call a tool/);
    expect(() => answerGrammar(wanted({ choice: { name: 'rm' } }))).toThrow(/must call the tool "rm"/);
  });
});

describe('calls as XML', () => {
  it('hold arguments of their types', async () => {
    const grammar = answerGrammar(wanted({ calls: 'xml' }));
    const text: [string, string] = ['text', 'if (a < b) {\n  return "</p>";\n}\n'];
    await expectAllowed(grammar, [
      xml('now', []),
      `${xml('go', [text])}\n${xml('now', [])}`,
      xml('go', [text, ['unit', 'null'], ['mode', 'a "b"'], ['free', 'so 5'], ['code', 'ABC'], ['short', 'a"\n']]),
      xml('go', [text, ['mode', 'null'], ['place', '{"in": {"n": 3}}']]),
    ]);
    await expectRefused(grammar, [
      xml('go', []),
      xml('now', [text]),
      xml('go', [text, ['unit', 'K']]),
      xml('go', [text, ['mode', 'd']]),
      xml('go', [text, ['place', '{"in": {"n": "x"}}']]),
      xml('go', [text, ['code', 'abc']]),
      xml('go', [text, ['short', 'abcd']]),
      xml('go', [text, ['other', 'x']]),
    ]);
  });

  it('take one of the forms that a schema allows, or any where it names none', async () => {
    const of = (schema: JsonObject) => answerGrammar(wanted({ calls: 'xml', tools: readTools([tool('go', schema)]) }));
    const a = { properties: { a: { type: 'integer' } }, required: ['a'] };
    const b = { properties: { b: { type: 'boolean' } }, required: ['b'] };
    const c = { type: 'object', properties: { c: { type: 'string' } } };
    const forms = of({ ...c, anyOf: [a, { $ref: '#/$defs/b' }], $defs: { b } });
    await expectAllowed(forms, [
      xml('go', [['a', '1']]),
      xml('go', [
        ['c', 'x'],
        ['b', 'true'],
      ]),
    ]);
    await expectRefused(forms, [xml('go', [['c', 'x']]), xml('go', [['a', 'x']])]);
    await expectAllowed(of({ type: 'object' }), [
      xml('go', []),
      xml('go', [
        ['x', 'y <b>'],
        ['z', '1'],
      ]),
    ]);
  });
});

it.each([
  [{ type: 'choice', choices: ['a"\\\n', '好', ''] } as const, ['a"\\\n', '好', ''], ['b']],
  [{ type: 'json' } as const, ['[1, "a"]', '3', 'null', '{}'], ['x', '']],
  [{ type: 'json_schema', schema: { const: 'x' } } as const, ['"x"'], ['"y"']],
  [{ type: 'regex', pattern: 'a+(b|c)' } as const, ['aac'], ['ad', 'a']],
  [{ type: 'grammar', ebnf: 'root ::= "a" root | "b"' } as const, ['aab', 'b'], ['a', 'ba']],
])('the format %j', async (format, allowed, refused) => {
  await expectAllowed(formatGrammar(format), allowed);
  await expectRefused(formatGrammar(format), refused);
});

it('refuses a schema that is none, and a choice of nothing', () => {
  expect(() => formatGrammar({ type: 'json_schema', schema: [] })).toThrow(/no schema/);
  expect(() => formatGrammar({ type: 'choice', choices: [] })).toThrow(/nothing to choose/);
  expect(formatGrammar({ type: 'text' })).toBeUndefined();
});

describe('a schema that leads nowhere', () => {
  const ring = { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }] };
  const wide = Array.from({ length: 12 }, () => ({ anyOf: Array.from({ length: 12 }, () => ({ properties: {} })) }));
  it.each<[string, JsonObject]>([
    ['referring to itself', { $ref: '#' }],
    [
      'with a parameter that refers to itself',
      { type: 'object', properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: ring } },
    ],
    ['of too many forms', { type: 'object', allOf: wide }],
  ])('is refused at once as XML: %s', (_, schema) => {
    expect(() => answerGrammar(wanted({ calls: 'xml', tools: readTools([tool('go', schema)]) }))).toThrow(/too large/);
  });
});
