/**
 * What speculation gains: the same answers with it and without, in turn, in one run; medians of the milliseconds that
 * decoding took. Needs the build in dist/.
 *
 *   npx tsx bench/speculation.ts                  the shipped model, asked the same words twice in one chat
 *   npx tsx bench/speculation.ts MODEL [TOKENS]   a model that goes on from a text that repeats itself
 */
import type { ChatMessage, Model, TextEvent } from '../src/generate/api.js';
import { load } from '../src/generate/load.js';

const [path, tokens = '200'] = process.argv.slice(2);
const ROUNDS = path ? 5 : 15;
const WORDS = ['apple', 'peace', 'river', 'music', 'house', 'window', 'letter', 'friend'];
const LIST = ['apple', 'river', 'music'].map((word) => `- name: ${word}\n  kind: noun\n  plural: ${word}s\n`).join('');

interface Outcome {
  text: string;
  tokens: number;
  decodeMs: number;
  steps: number;
  drafted: number;
  accepted: number;
}

async function collect(events: AsyncIterable<TextEvent>): Promise<Outcome> {
  let text = '';
  for await (const event of events) {
    if (event.type === 'text') text += event.text;
    if (event.type !== 'done') continue;
    const { completionTokens, decodeMs, speculation } = event.stats;
    return { text, tokens: completionTokens, decodeMs, ...speculation };
  }
  throw new Error('the answer did not end');
}

/** One chat: every word is asked, and then every word again. */
async function chat(model: Model): Promise<Outcome> {
  const messages: ChatMessage[] = [];
  const sum: Outcome = { text: '', tokens: 0, decodeMs: 0, steps: 0, drafted: 0, accepted: 0 };
  for (const word of [...WORDS, ...WORDS]) {
    messages.push({ role: 'user', content: `What does "${word}" mean?` });
    const { text, ...counts } = await collect(model.chat(messages, { temperature: 0 }));
    messages.push({ role: 'assistant', content: text });
    sum.text += `${text}\n`;
    for (const key of ['tokens', 'decodeMs', 'steps', 'drafted', 'accepted'] as const) sum[key] += counts[key];
  }
  return sum;
}

const continueText = (model: Model) =>
  collect(model.generate(LIST, { temperature: 0, maxTokens: Number(tokens), detectRepetition: false }));

const run = path ? continueText : chat;
const context = path ? 256 + Number(tokens) : 512;
const models = await Promise.all(
  [true, false].map((speculate) => load(path ?? 'models/glossary', { speculate, context })),
);
const times: number[][] = [[], []];
const last: Outcome[] = [];
// The first round warms up.
for (let round = 0; round <= ROUNDS; round++) {
  for (const i of round % 2 ? [0, 1] : [1, 0]) {
    last[i] = await run(models[i]);
    if (round > 0) times[i].push(last[i].decodeMs);
  }
}
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
const [on, off] = times.map(median);
const { tokens: said, steps, drafted, accepted, text } = last[0];
console.log(`${said} tokens; ${steps} drafts of ${drafted} tokens, ${accepted} accepted`);
console.log(
  `with speculation ${((1000 * said) / on).toFixed(1)} tokens/s, without ${((1000 * said) / off).toFixed(1)}`,
);
console.log(`ratio ${(off / on).toFixed(2)}; ${text === last[1].text ? 'the same text' : 'THE TEXTS DIFFER'}`);
for (const model of models) await model.close();
