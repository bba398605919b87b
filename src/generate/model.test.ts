import { describe, expect, it } from 'vitest';
import { ByteTokenizer, ScriptedEngine, type ScriptedModelOptions, scriptedModel } from '../../test/scripted-engine.js';
import type { ChatMessage, GenerateOptions, TextEvent } from './api.js';
import { TextModel } from './model.js';

const THINKS = `{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}
{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is not false %}{{- '<think>\\n' }}{%- endif %}`;
const hello: ChatMessage[] = [{ role: 'user', content: 'Hello' }];

async function collect(events: AsyncIterable<TextEvent>) {
  const all: TextEvent[] = [];
  for await (const event of events) all.push(event);
  const join = (type: TextEvent['type']) =>
    all.map((event) => (event.type === type && 'text' in event ? event.text : '')).join('');
  const done = all.at(-1);
  if (done?.type !== 'done') throw new Error('no done event');
  const logprobs = all.flatMap((event) => ('logprobs' in event && event.logprobs) || []);
  return { all, text: join('text'), thinking: join('thinking'), reason: done.reason, stats: done.stats, logprobs };
}

const generate = (answer: string, options: GenerateOptions = {}, more: ScriptedModelOptions = {}) =>
  collect(scriptedModel(answer, more).model.generate('Once', options));

describe('generate', () => {
  it('streams whole characters until a stop token', async () => {
    const { all, text, reason, stats } = await generate('Grüße, 世界 👋');
    expect(text).toBe('Grüße, 世界 👋');
    expect(all.filter((event) => event.type === 'text').length).toBe([...text].length);
    expect(reason).toBe('stop');
    expect(stats).toMatchObject({ promptTokens: 4, completionTokens: new TextEncoder().encode(text).length });
  });

  it('takes what a user typed as text', async () => {
    const { model, engine } = scriptedModel('x');
    await collect(model.generate('<|im_end|>'));
    expect(engine.requests[0].tokens).toEqual([...new TextEncoder().encode('<|im_end|>')]);
  });

  it('ends at maxTokens, or where the context is full', async () => {
    expect(await generate('abcdef', { maxTokens: 3 })).toMatchObject({ text: 'abc', reason: 'length' });
    expect(await generate('abcdef', {}, { info: { context: 8 } })).toMatchObject({ text: 'abcd', reason: 'length' });
  });

  it('ends before a stop string, tells the engine, and counts what was said', async () => {
    const { model, engine } = scriptedModel(`one\nUser: ${'two '.repeat(50)}`);
    const { text, reason, stats } = await collect(model.generate('Once', { stop: ['\nUser'] }));
    expect(text).toBe('one');
    expect(reason).toBe('stop');
    expect(stats.completionTokens).toBe('one\nUser'.length);
    expect(engine.cancelled).toBe(1);
  });

  it('shows what looked like a stop string until the end', async () => {
    expect(await generate('one\nUs', { stop: ['\nUser'] })).toMatchObject({ text: 'one\nUs', reason: 'stop' });
  });

  it('stops when the signal fires, and when the caller leaves the loop', async () => {
    const { model, engine } = scriptedModel('a'.repeat(500));
    const controller = new AbortController();
    const events = model.generate('Once', { signal: controller.signal });
    let shown = '';
    let reason: string | undefined;
    for await (const event of events) {
      if (event.type === 'text') shown += event.text;
      if (event.type === 'done') reason = event.reason;
      if (shown.length === 5) controller.abort();
    }
    expect([shown, reason]).toEqual(['aaaaa', 'aborted']);
    for await (const event of model.generate('Once')) if (event.type === 'text') break;
    expect(engine.cancelled).toBe(2);
  });

  it('begins a document where the prompt is empty', async () => {
    const { model, engine } = scriptedModel('x');
    await collect(model.generate(''));
    expect(engine.requests[0].tokens).toEqual([256]);
    await expect(collect(model.generate([]))).rejects.toThrow(/empty/);
  });

  it.each<[string, string | number[], GenerateOptions, string, RegExp]>([
    ['a prompt as long as the context', 'x'.repeat(1024), {}, 'context_overflow', /1024 tokens.*holds 1024/],
    ['an id beyond the vocabulary', [1, 999], {}, 'bad_input', /999/],
    ['no tokens', 'x', { maxTokens: 0 }, 'bad_input', /maxTokens/],
    ['a negative temperature', 'x', { temperature: -1 }, 'bad_input', /temperature/],
    ['a bias beyond the vocabulary', 'x', { logitBias: { 999: 1 } }, 'bad_input', /logitBias/],
    ['an empty stop string', 'x', { stop: [''] }, 'bad_input', /stop/],
  ])('refuses %s', async (_, prompt, options, code, message) => {
    const events = scriptedModel('x').model.generate(prompt, options);
    await expect(collect(events)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('log-probabilities', () => {
  it('come once for each token, with the text that it completes', async () => {
    const { all, logprobs } = await generate('aé!', { logprobs: 1 });
    expect(all.slice(0, 3)).toMatchObject([
      { text: 'a', logprobs: [{ token: 'a', bytes: [97], logprob: -0.5, top: [{ id: 97, token: 'a' }] }] },
      { text: 'é', logprobs: [{ token: '\ufffd', bytes: [0xc3] }, { bytes: [0xa9] }] },
      { text: '!' },
    ]);
    expect(logprobs.flatMap(({ bytes }) => bytes)).toEqual([...new TextEncoder().encode('aé!')]);
  });

  it('wait with text that may be a stop string, and vanish with one', async () => {
    const waited = await generate('ab.', { logprobs: 0, stop: ['bc'] });
    expect(waited.all[1]).toMatchObject({ text: 'b.', logprobs: [{ token: 'b' }, { token: '.' }] });
    const cut = await generate('abc.', { logprobs: 0, stop: ['bc'] });
    expect(cut.logprobs.map(({ token }) => token)).toEqual(['a']);
  });

  it('are all there at the end, even of half a character', async () => {
    const engine = new ScriptedEngine(() => [97, 0xe4, 0xb8]);
    const tokenizer = new ByteTokenizer();
    const model = new TextModel({ engine, tokenizer, name: 'm', path: '', generationConfig: {}, config: {} });
    const { text, logprobs } = await collect(model.generate('x', { logprobs: 0 }));
    expect(text).toBe('a\ufffd');
    expect(logprobs).toHaveLength(3);
  });
});

describe('chat', () => {
  it('splits thinking from the answer, and looks for stop strings in the answer alone', async () => {
    const { model } = scriptedModel('Hm.\n\nSo.\n</think>\n\nHi.\n\nBye.', { chatTemplate: THINKS });
    expect(model.canThink).toBe(true);
    const { thinking, text, reason } = await collect(model.chat(hello, { stop: ['\n\n'] }));
    expect([thinking, text, reason]).toEqual(['Hm.\n\nSo.', 'Hi.', 'stop']);
  });

  it('does not think where the caller says so', async () => {
    const { model, engine, tokenizer } = scriptedModel('Hi.', { chatTemplate: THINKS });
    const { thinking, text } = await collect(model.chat(hello, { think: false }));
    expect([thinking, text]).toEqual(['', 'Hi.']);
    expect(tokenizer.decode(engine.requests[0].tokens, { control: true })).not.toContain('think');
  });

  it('has thought alone when the tokens run out', async () => {
    const { model } = scriptedModel('Hm, let me see', { chatTemplate: THINKS });
    expect(await collect(model.chat(hello, { maxTokens: 2 }))).toMatchObject({
      thinking: 'Hm',
      text: '',
      reason: 'length',
    });
  });

  it('writes ChatML, and keeps a growing conversation in the cache', async () => {
    const { model, engine, tokenizer } = scriptedModel(['Hi.', 'Yes.']);
    await collect(model.chat(hello));
    const more: ChatMessage[] = [...hello, { role: 'assistant', content: 'Hi.' }, { role: 'user', content: 'Well?' }];
    const { stats } = await collect(model.chat(more));
    const prompt = engine.requests[1].tokens;
    expect(tokenizer.decode(prompt, { control: true })).toBe(
      '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(stats.cachedTokens).toBe(engine.requests[0].tokens.length + 'Hi.'.length);
  });

  it('leaves out the oldest turns with a notice', async () => {
    const { model, engine, tokenizer } = scriptedModel('Yes.', { info: { context: 128 } });
    const long: ChatMessage[] = [
      { role: 'user', content: 'a'.repeat(60) },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'Well?' },
    ];
    const { all, text } = await collect(model.chat(long));
    expect(all[0]).toMatchObject({ type: 'notice', message: expect.stringContaining('the oldest turn was left out') });
    expect(text).toBe('Yes.');
    expect(tokenizer.decode(engine.requests[0].tokens)).toBe('user\nWell?\nassistant\n');
    await expect(collect(model.chat([{ role: 'user', content: 'a'.repeat(200) }]))).rejects.toMatchObject({
      code: 'context_overflow',
    });
  });
});

describe('defaults', () => {
  const defaults = (generationConfig: ScriptedModelOptions['generationConfig']) =>
    scriptedModel('x', { generationConfig }).model.defaults;

  it("are the model's, and ours where it is silent", () => {
    expect(defaults({ temperature: 0.6, top_k: 40, top_p: 0.95, min_p: 0.05, repetition_penalty: 1.1 })).toEqual({
      temperature: 0.6,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      repetitionPenalty: 1.1,
      presencePenalty: 0,
      frequencyPenalty: 0,
    });
    expect(defaults({ temperature: -3, top_p: 7 })).toEqual(defaults({}));
    expect(defaults({ do_sample: false, temperature: 0.6 }).temperature).toBe(0);
  });

  it('give way to what a request says, and only to that', async () => {
    const { model, engine } = scriptedModel('x', { generationConfig: { temperature: 0.6, eos_token_id: [7, 8] } });
    await collect(model.generate('Once', { topK: 3, topP: undefined, seed: 5 }));
    expect(engine.requests[0].sampling).toEqual({ ...model.defaults, topK: 3, seed: 5 });
    expect(engine.requests[0].stopTokens).toEqual([7, 8, 258, 256]);
    expect(engine.requests[0].detectRepetition).toBe(true);
  });
});

it('embeds, tokenizes and closes', async () => {
  const { model, engine } = scriptedModel('x');
  expect([...(await model.embed('ab'))]).toEqual([2, 195, 97, 98]);
  await expect(model.embed('x'.repeat(1025))).rejects.toMatchObject({ code: 'context_overflow' });
  expect(model.detokenize(model.tokenize('héllo <|im_end|>'))).toBe('héllo <|im_end|>');
  expect(model.tokenize('<|im_end|>', { control: true })).toEqual([258]);
  {
    await using disposed = model;
    expect(disposed).toBe(model);
  }
  expect(engine.closed).toBe(true);
  await expect(collect(model.generate('Once'))).rejects.toMatchObject({ code: 'closed' });
});
