/** A run over items: with an engine that says what it is told, and with a real one for likelihoods. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptedModel } from '../../test/scripted-engine.js';
import type { Model } from '../generate/api.js';
import { load } from '../generate/load.js';
import { choose } from './choose.js';
import { compare } from './compare.js';
import type { Item } from './item.js';
import { recordItem } from './layout-records.js';
import { conversation } from './prompts.js';
import { evaluate, type ItemResult } from './run.js';
import { type Prediction, summarise } from './summary.js';

const items = (...records: object[]): Item[] => records.map((record, i) => recordItem(record, `line ${i}`, `${i}`));

describe('answers', () => {
  it('are asked for greedily, without thinking, and judged', async () => {
    const asked = items(
      { prompt: 'Capital of France?', expected: 'Paris', domain: 'geography' },
      { prompt: 'And of Italy?', expected: 'Rome', domain: 'geography' },
      { question: '1 + 1?', answer: '#### 2', domain: 'sums' },
      { prompt: 'Add', tools: [{ name: 'add' }], expected_calls: [{ name: 'add', arguments: { a: 1 } }] },
    );
    const template = '{% for m in messages %}{{ m.content }}{% endfor %}{% if x %}<think>{% endif %}';
    const { model, engine } = scriptedModel(
      ['<think>Lyon?</think>\nParis.', 'Milan', '1 + 1 = 2', '<tool_call>{"name": "add", "arguments": {"a": 2}}'],
      { chatTemplate: template, generationConfig: { temperature: 0.7, repetition_penalty: 1.1 } },
    );
    const steps: number[] = [];
    const results = await evaluate(model, asked, { maxTokens: 99 }, (done) => steps.push(done));
    expect(results.map(({ said, correct }) => [said, correct])).toEqual([
      ['Paris.', true],
      ['Milan', false],
      ['1 + 1 = 2', true],
      ['<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call>', false],
    ]);
    expect(results[3]!.names).toBe(true);
    expect(steps).toEqual([1, 2, 3, 4]);
    for (const { sampling, maxTokens } of engine.requests) {
      expect(sampling).toMatchObject({ temperature: 0, repetitionPenalty: 1 });
      expect(maxTokens).toBe(99);
    }
    const summary = summarise(results);
    expect(summary.map(({ kind }) => kind)).toEqual(['answer', 'calls']);
    expect(summary[0]).toMatchObject({
      total: { items: 3, correct: 2 },
      domains: { geography: { items: 2, correct: 1, accuracy: 0.5 }, sums: { items: 1, correct: 1 } },
    });
    expect(summary[1]).toMatchObject({ total: { correct: 0 }, names: { correct: 1 } });
  });

  it('that do not fit the context are wrong and say why', async () => {
    const { model } = scriptedModel('x', { info: { context: 64 } });
    const [long, short] = await evaluate(
      model,
      items({ prompt: 'x'.repeat(200), expected: 'x' }, { prompt: 'x', expected: 'x' }),
      {},
    );
    expect(long).toMatchObject({ correct: false, fault: expect.stringContaining('64') });
    expect(short).toMatchObject({ correct: true });
  });

  it('never run a program unless that is allowed', async () => {
    const { model, engine } = scriptedModel('x');
    const code = items({ task_id: 'JS/0', prompt: 'const a = 1;', test: '' });
    await expect(evaluate(model, code, {})).rejects.toMatchObject({ code: 'usage' });
    expect(engine.requests).toEqual([]);
    const { model: writer } = scriptedModel('```js\nconst a = 2;\n```');
    const tested = items({ task_id: 'JS/0', prompt: '', test: 'console.assert(a === 2);' });
    expect(await evaluate(writer, tested, { allowCode: true })).toMatchObject([{ correct: true }]);
  });

  it('come after solved examples of the same kind', () => {
    const [question, example, other] = items(
      { system: 'S', prompt: 'Q', expected: 'A' },
      { prompt: 'q', expected: ['a', 'b'] },
      { prompt: 'c', choices: ['x', 'y'], answer: 0 },
    );
    expect(conversation(question!, { shots: [example!, other!, question!], system: 'T' })).toEqual([
      { role: 'system', content: 'S' },
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'Q' },
    ]);
  });
});

describe('likelihoods', () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(fileURLToPath(new URL('../../models/glossary', import.meta.url)), { sequences: 2, threads: 2 });
  });
  afterAll(() => model.close());

  it('of endings are those of the whole texts', async () => {
    const begin = model.tokenize('A whale is a large animal that lives in');
    for (const end of [' the sea', ' a box']) {
      const ids = [...begin, ...model.tokenize(end)];
      const whole = await model.engine.score(ids);
      const ending = await model.engine.score(ids, undefined, undefined, begin.length);
      expect(ending).toHaveLength(ids.length - begin.length);
      for (const [i, logprob] of ending.entries()) expect(logprob).toBeCloseTo(whole[begin.length - 1 + i]!, 4);
    }
    await expect(model.engine.score(begin, undefined, undefined, 0)).rejects.toMatchObject({ code: 'bad_input' });
  });

  it('choose the likeliest answer, by letter or by the answers themselves', async () => {
    const [item] = items({
      prompt: 'A small domesticated carnivorous mammal',
      choices: ['zzz qqq vvv', 'of the family'],
      answer: 1,
    });
    const byAnswer = await choose(model, item!, ['zzz qqq vvv', 'of the family'], { raw: true, choose: 'answers' });
    expect(byAnswer.choice).toBe(1);
    const byLetter = await choose(model, item!, ['x', 'y'], {});
    const prompt = model.prompt(item!.messages as { role: 'user'; content: string }[]);
    const wanted = await Promise.all(
      ['A', 'B'].map(async (text) => (await model.engine.score([...prompt, ...model.tokenize(text)])).at(-1)!),
    );
    for (const [i, score] of byLetter.scores.entries()) expect(score).toBeCloseTo(wanted[i]!, 4);
  });

  it('of texts are a perplexity, the same however many are computed at a time', async () => {
    const texts = items({ text: 'A whale is a large sea animal.' }, { text: 'An apple is a fruit.' }, { text: 'x' });
    const results = await evaluate(model, texts, {});
    const total = summarise(results)[0]!.total as Prediction;
    let nll = 0;
    let count = 0;
    for (const { task } of texts) {
      const ids = model.tokenize(task.kind === 'text' ? task.text : '');
      if (ids.length < 2) continue;
      for (const logprob of await model.engine.score(ids)) nll -= logprob;
      count += ids.length - 1;
    }
    expect(total.tokens).toBe(count);
    expect(total.perplexity).toBeCloseTo(Math.exp(nll / count), 3);
    expect(total.interval![0]).toBeLessThan(total.perplexity);
    const cut = await evaluate(model, texts, { length: 4 });
    expect(cut[0]!.pieces!.length).toBeGreaterThan(1);
  });
});

describe('conversations', () => {
  it('are predicted where the assistant speaks', async () => {
    await using model = await load(fileURLToPath(new URL('../../models/glossary', import.meta.url)), { threads: 2 });
    const question = { role: 'user', content: 'What does "apple" mean?' } as const;
    const [item] = items({ messages: [question, { role: 'assistant', content: 'A fruit.' }] });
    const [result] = await evaluate(model, [item!], {});
    const prompt = model.prompt([question]);
    const answer = model.tokenizer.encode('A fruit.<|im_end|>', { control: true });
    const logprobs = await model.engine.score([...prompt, ...answer], undefined, undefined, prompt.length);
    const [piece] = result!.pieces!;
    expect(piece!.tokens).toBe(answer.length);
    expect(piece!.nll).toBeCloseTo(-logprobs.reduce((a, b) => a + b, 0), 3);
    expect(piece!.bytes).toBe('A fruit.<|im_end|>'.length);
    const [summary] = summarise([result!]);
    expect(summary).toMatchObject({ kind: 'conversation', total: { items: 1, tokens: answer.length } });
  });
});

describe('comparing', () => {
  const result = (id: string, correct: boolean, domain?: string): ItemResult => ({
    id,
    kind: 'answer',
    correct,
    ...(domain && { domain }),
  });

  it('pairs items by id', () => {
    const before = [result('a', true, 'x'), result('b', false, 'x'), result('c', true, 'y'), result('only', true)];
    const after = [result('c', true, 'y'), result('b', true, 'x'), result('a', false, 'x'), result('new', true)];
    const [comparison] = compare(before, after);
    expect(comparison!.total).toMatchObject({ items: 3, gained: 1, lost: 1, difference: 0, p: 1 });
    expect(Object.keys(comparison!.domains)).toEqual(['x', 'y']);
  });

  it('of texts is in bits a byte, even where windows differ', () => {
    const text = (id: string, pieces: { nll: number; tokens: number; bytes: number }[]): ItemResult => ({
      id,
      kind: 'text',
      pieces,
    });
    const first = [
      text('a', [
        { nll: 4, tokens: 2, bytes: 8 },
        { nll: 2, tokens: 1, bytes: 4 },
      ]),
    ];
    const second = [text('a', [{ nll: 3, tokens: 3, bytes: 12 }])];
    const [comparison] = compare(first, second);
    expect(comparison!.total.difference).toBeCloseTo((3 / 12 - 6 / 12) / Math.LN2, 10);
    expect(comparison!.total.interval).toBeUndefined();
  });
});
