/** Constrained answers of a real model, and hostile grammars beside them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GenerateRequest, GrammarSource } from '../src/generate/engine.js';
import { load, type Model } from '../src/index.js';

let model: Model;
beforeAll(async () => {
  model = await load('models/mini', { sequences: 2 });
});
afterAll(() => model.close());

const ofSchema = (schema: unknown): GrammarSource => ({ kind: 'json_schema', schema: JSON.stringify(schema) });

async function answer(grammar: GrammarSource | undefined, more: Partial<GenerateRequest> = {}, temperature = 0) {
  const request: GenerateRequest = {
    tokens: model.prompt([{ role: 'user', content: 'Who are you?' }]),
    maxTokens: 300,
    stopTokens: [...model.tokenizer.eosTokens],
    sampling: { ...model.defaults, temperature, seed: 3 },
    detectRepetition: false,
    ...(grammar && { grammar }),
    ...more,
  };
  const ids: number[] = [];
  for await (const event of model.engine.generate(request)) {
    if (event.type === 'done') return { text: model.detokenize(ids), reason: event.reason };
    ids.push(event.id);
  }
  throw new Error('an answer without an end');
}

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 30 },
    age: { type: 'integer', minimum: 18, maximum: 99 },
    likes: { type: 'array', items: { enum: ['tea', '茶', 'coffee'] }, minItems: 1, maxItems: 2, uniqueItems: true },
    home: {
      anyOf: [{ type: 'null' }, { type: 'object', properties: { city: { const: 'Hangzhou' } }, required: ['city'] }],
    },
  },
  required: ['name', 'age', 'likes', 'home'],
};

describe('an answer of a real model', () => {
  it.each([0, 1])('is what its schema says, at temperature %d', async (temperature) => {
    const { text, reason } = await answer(ofSchema(person), {}, temperature);
    expect(reason).toBe('stop');
    const value = JSON.parse(text);
    expect(Object.keys(value)).toEqual(['name', 'age', 'likes', 'home']);
    expect([...value.name].length).toBeLessThanOrEqual(30);
    expect(value.age >= 18 && value.age <= 99 && Number.isInteger(value.age)).toBe(true);
    expect(new Set(value.likes).size).toBe(value.likes.length);
    expect([null, { city: 'Hangzhou' }]).toContainEqual(value.home);
  });

  it('knows a grammar that is larger than a fresh instance of the library', async () => {
    const values = Array.from({ length: 15_000 }, (_, i) => `value ${i}`);
    expect(values).toContain(JSON.parse((await answer(ofSchema({ enum: values }))).text));
  });
});

describe('grammars that are meant to harm', () => {
  const chain = Array.from({ length: 5000 }, (_, i) => [`d${i}`, { properties: { x: { $ref: `#/$defs/d${i + 1}` } } }]);
  const hostile: Record<string, GrammarSource> = {
    ambiguity: { kind: 'ebnf', grammar: 'root ::= root root | "a" | ""' },
    'a chain of references': ofSchema({ $ref: '#/$defs/d0', $defs: { ...Object.fromEntries(chain), d5000: {} } }),
    'repetitions of repetitions': { kind: 'ebnf', grammar: 'root ::= ((([a-z]{1,1000}){1,1000}){1,1000}){1,1000}' },
    size: { kind: 'regex', pattern: 'a'.repeat(1 << 20) },
  };

  it.each(Object.entries(hostile))(
    '%s: refused, and other answers go on',
    async (_, grammar) => {
      let refused = false;
      const refusal = answer(grammar)
        .catch((error) => error)
        .finally(() => {
          refused = true;
        });
      do {
        expect((await answer(undefined)).reason).toBe('stop');
      } while (!refused);
      expect(await refusal).toMatchObject({ code: expect.stringMatching(/bad_input|unsupported/) });
      expect((await answer({ kind: 'regex', pattern: '[0-9]{3}' })).text).toMatch(/^\d{3}$/);
    },
    30_000,
  );
});
