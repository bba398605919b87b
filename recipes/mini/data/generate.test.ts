import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attributes, places, rareWords } from '../tables/unknowns.js';
import { words } from '../tables/words.js';
import type { Chat, Item, Pair } from './documents.js';
import { generate } from './generate.js';
import { heldOut } from './numbers.js';

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-mini-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lines = <T>(name: string) =>
  readFileSync(join(folder, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

describe('the data of the recipe', () => {
  beforeAll(() => generate(folder));

  it('asks nothing in the evaluation that training asked', () => {
    const asked = new Set<string>();
    const add = (messages: readonly { role: string; content: string }[]) => {
      for (const { role, content } of messages) if (role === 'user') asked.add(content.toLowerCase());
    };
    for (const { messages } of [...lines<Chat>('sft.jsonl'), ...lines<Chat>('polish.jsonl')]) add(messages);
    for (const { prompt } of lines<Pair>('dpo.jsonl')) add(prompt);
    for (const { text } of lines<{ text: string }>('pretrain.jsonl')) {
      const question = /^(?:Question: |问：)(.*)\n/.exec(text);
      if (question) asked.add(question[1].toLowerCase());
    }
    const items = lines<Item>('eval.jsonl');
    expect(items.length).toBeGreaterThan(2000);
    expect(items.filter(({ messages }) => asked.has(messages[0].content.toLowerCase()))).toEqual([]);
  });

  it('never shows a held-out sum, in any phrasing', () => {
    let hidden = 0;
    for (let a = 10; a < 100; a++) for (let b = 10; b < 100; b++) hidden += Number(heldOut(a, b));
    expect(hidden / 8100).toBeGreaterThan(0.08);
    expect(hidden / 8100).toBeLessThan(0.12);
    const sums = /(?<!\d)(\d\d) \+ (\d\d)(?!\d)/g;
    for (const name of ['pretrain.jsonl', 'dpo.jsonl', 'sft.jsonl', 'polish.jsonl']) {
      for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
        for (const [, a, b] of line.matchAll(sums)) {
          if (heldOut(Number(a), Number(b))) throw new Error(`${name}: ${line}`);
        }
      }
    }
  });

  it('does not teach what it calls unknown', () => {
    const taught = new Set(words.flatMap(({ en, zh }) => [en, zh]));
    const unknown = [...places, ...rareWords, ...attributes].flatMap(({ en, zh }) => [en.replace(/^an? /, ''), zh]);
    expect(unknown.filter((word) => taught.has(word))).toEqual([]);
  });
});

it('is the same every time', async () => {
  const written = await generate(join(folder, 'a'), 0.01);
  expect(await generate(join(folder, 'b'), 0.01)).toEqual(written);
  for (const name of ['pretrain', 'sft', 'polish', 'dpo', 'eval']) {
    const [a, b] = ['a', 'b'].map((part) => readFileSync(join(folder, part, `${name}.jsonl`), 'utf8'));
    expect(a).toBe(b);
  }
});
