/** Answers of models that want something else than their grammar. */
import { describe, expect, it } from 'vitest';
import { type FakeOptions, fakeModel } from '../../../test/fake-model.js';
import { ByteTokenizer } from '../../../test/scripted-engine.js';
import type { DoneEvent, GenerateRequest, GrammarSource, TokenEvent } from '../engine.js';
import { Session } from '../session.js';
import { compileSource } from './compile.js';
import { Grammars } from './grammars.js';
import { newLexicon } from './lexicon.js';

const tokenizer = new ByteTokenizer();
const END = tokenizer.controlTokens.get('<|im_end|>')!;
const START = tokenizer.controlTokens.get('<think>')!;
const CLOSE = tokenizer.controlTokens.get('</think>')!;
const vocabSize = tokenizer.vocabSize + 3; // padding
const added = [...tokenizer.controlTokens].map(([content, id]) => ({ id, content, special: content.includes('|') }));
const lexicon = newLexicon({ size: tokenizer.vocabSize, bytes: (id) => tokenizer.bytes(id) }, added);

const grammars = new Grammars({
  lexicon: async () => lexicon,
  compile: async (source) => ({ image: await compileSource(source), named: [] }),
  close: async () => {},
});

const GREEDY: GenerateRequest['sampling'] = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

async function answer(logits: FakeOptions['logits'], request: Partial<GenerateRequest>, speculate?: 'always') {
  const session = new Session(fakeModel({ vocabSize, logits, context: 4096 }), speculate ?? false, grammars);
  const tokens: TokenEvent[] = [];
  let done: DoneEvent | undefined;
  await session.generate(
    { tokens: [65], maxTokens: 400, stopTokens: [END], sampling: GREEDY, detectRepetition: false, ...request },
    new AbortController().signal,
    (event) => {
      if (event.type === 'done') done = event;
      else tokens.push(event);
    },
  );
  const ids = tokens.map(({ id }) => id);
  return { ids, tokens, text: tokenizer.decode(ids, { control: true }), reason: done!.reason, stats: done!.stats };
}

/** Wants everything about equally, and the end a little. */
const noise = (seed: number) => (history: readonly number[]) =>
  Array.from(
    { length: vocabSize },
    (_, id) => 3 * Math.sin(seed + history.length * 7.7 + id * 12.9) + Number(id === END),
  );

const regex = (pattern: string): GrammarSource => ({ kind: 'regex', pattern });

describe('a constrained answer', () => {
  it('matches its grammar whatever the model wants', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const sampling = { ...GREEDY, temperature: seed % 2, topP: seed % 3 ? 1 : 0.8, topK: seed % 4 ? 0 : 5, seed };
      const { text, reason } = await answer(noise(seed), { grammar: regex('[a-f]{3,9}-(é|好){2}[0-9]*x'), sampling });
      expect(text).toMatch(/^[a-f]{3,9}-(é|好){2}[0-9]*x$/);
      expect(reason).toBe('stop');
    }
  });

  it('ends where nothing may follow, also for a model without a token for that', async () => {
    const grammar: GrammarSource = { kind: 'ebnf', grammar: 'root ::= "yes" | "no"' };
    for (const stopTokens of [[END], []]) {
      const { text, reason } = await answer(noise(1), { grammar, stopTokens });
      expect(['yes', 'no']).toContain(text);
      expect(reason).toBe('stop');
    }
  });

  it('is drawn from the distribution over what is allowed', async () => {
    const chances = { a: 0.1, b: 0.2, c: 0.7 };
    const logits = () => {
      const all = new Array(vocabSize).fill(Math.log(0.02));
      for (const [letter, chance] of Object.entries(chances)) all[letter.charCodeAt(0)] = Math.log(chance);
      return all;
    };
    const counts = { a: 0, b: 0 };
    const draws = 2000;
    for (let seed = 0; seed < draws; seed++) {
      const sampling = { ...GREEDY, temperature: 1, seed };
      const { text } = await answer(logits, { grammar: regex('[ab]'), sampling, maxTokens: 1 });
      counts[text as 'a' | 'b']++;
    }
    // One third and two thirds; four standard deviations.
    expect(Math.abs(counts.a - draws / 3)).toBeLessThan(4 * Math.sqrt((draws * 2) / 9));
  });

  it('is the same with drafts, log-probabilities and penalties', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const sampling = { ...GREEDY, temperature: 0.7, seed, frequencyPenalty: 0.3, repetitionPenalty: 1.1 };
      const request = { grammar: regex('(ab|cd|abab){20,30}'), sampling, logprobs: 2 };
      const plain = await answer(noise(seed), request);
      const drafted = await answer(noise(seed), request, 'always');
      expect(drafted.tokens).toEqual(plain.tokens);
      expect(plain.text).toMatch(/^(ab|cd|abab)+$/);
    }
  });

  it('says what is wrong with a grammar before the first token, and goes on', async () => {
    await expect(answer(noise(1), { grammar: regex('(a') })).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('parenthesis'),
    });
    expect((await answer(noise(1), { grammar: regex('aa') })).text).toBe('aa');
  });

  it('means characters where the grammar names characters', async () => {
    for (const [grammar, pattern] of [
      ['root ::= [一-龥]{3,3} # [x', /^[一-龥]{3}$/],
      ['root ::= [^a-zé\\x20-\\x30]{4,4}', /^[^a-zé\x20-\x30]{4}$/u],
      ['root ::= "[é]" [äöü]', /^\[é\][äöü]$/],
    ] as const) {
      for (const kind of ['ebnf', 'structural'] as const) {
        const tag = JSON.stringify({ type: 'structural_tag', format: { type: 'grammar', grammar } });
        const source: GrammarSource = kind === 'ebnf' ? { kind, grammar } : { kind, tag };
        const { text } = await answer(noise(3), { grammar: source, sampling: { ...GREEDY, temperature: 1, seed: 5 } });
        expect(text).toMatch(pattern);
        expect(text).not.toContain('\ufffd');
      }
    }
  });

  it('costs no more memory than it may, and later answers match their grammar', async () => {
    const grammar: GrammarSource = { kind: 'ebnf', grammar: 'root ::= a a a a\na ::= [a-z]*' };
    const long = answer(() => oneHot(97), { grammar, maxTokens: 4000 });
    await expect(long).rejects.toMatchObject({ code: 'unsupported' });
    expect((await answer(() => oneHot(97), { grammar, maxTokens: 5 })).text).toBe('aaaaa');
  });

  it('compiles one source once', async () => {
    let compiled = 0;
    const shared = new Grammars({
      lexicon: async () => lexicon,
      compile: async (source) => {
        compiled++;
        return { image: await compileSource(source), named: [] };
      },
      close: async () => {},
    });
    const open = () => shared.open(regex('a+'), [END]);
    const [one, two] = await Promise.all([open(), open()]);
    one!.accept(97);
    expect([two!.allows(END), one!.allows(END)]).toEqual([false, true]);
    await open();
    expect(compiled).toBe(1);
  });
});

describe('thinking', () => {
  const think = (budget?: number) => ({ open: true, start: [START], end: [CLOSE], budget, close: [33, CLOSE, 10] });

  it('stops at its budget, exactly', async () => {
    for (const budget of [0, 1, 7]) {
      const { text, stats } = await answer(() => oneHot(97), { thinking: think(budget), maxTokens: 20 });
      expect(text).toBe(`${'a'.repeat(budget)}!</think>\n`.padEnd(20 + '</think>'.length - 1, 'a'));
      expect(stats.thinkingTokens).toBe(budget);
    }
  });

  it('may end before its budget, and is counted', async () => {
    const logits = (history: readonly number[]) => oneHot(history.length === 4 ? CLOSE : history.length > 6 ? END : 98);
    const { text, stats, reason } = await answer(logits, { thinking: think(9) });
    expect([text, stats.thinkingTokens, reason]).toEqual(['bbb</think>bb', 3, 'stop']);
  });

  it('that never ends is as long as the answer may be', async () => {
    const { stats, reason } = await answer(() => oneHot(97), { thinking: think(), maxTokens: 12, grammar: regex('b') });
    expect([stats.thinkingTokens, reason]).toEqual([12, 'length']);
  });

  it('is not held to the grammar, which begins after it', async () => {
    for (const budget of [3, undefined]) {
      const logits = (history: readonly number[]) => oneHot(history.length === 6 ? CLOSE : 97);
      const { text } = await answer(logits, { thinking: think(budget), grammar: regex('[0-9]{2}x') });
      expect(text).toMatch(budget ? /^aaa!<\/think>\n\d\dx$/ : /^a{5}<\/think>\n\d\dx$/);
    }
  });

  it('begins by itself or not at all', async () => {
    const closed = { ...think(2), open: false };
    const begins = (history: readonly number[]) => oneHot(history.length === 1 ? START : 97);
    const thought = await answer(begins, { thinking: closed, grammar: regex('[0-9]') });
    expect(thought.text).toMatch(/^<think>aa!<\/think>\n\d$/);
    const { text, stats } = await answer(() => oneHot(97), {
      thinking: closed,
      grammar: regex('[0-9]a*'),
      maxTokens: 3,
    });
    expect(text).toMatch(/^\daa$/);
    expect(stats.thinkingTokens).toBe(0);
  });
});

function oneHot(id: number): number[] {
  return Array.from({ length: vocabSize }, (_, other) => Number(other === id) * 9);
}
