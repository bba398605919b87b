/** A trained model says, token for token, what PyTorch says with the same weights. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { load } from '../src/generate/load.js';

const expected = JSON.parse(
  readFileSync(fileURLToPath(new URL('fixtures/glossary/expected.json', import.meta.url)), 'utf8'),
) as { greedy: { question: string; prompt_ids: number[]; answer_ids: number[]; answer: string }[] };

it('answers every reference question greedily, token for token', async () => {
  await using model = await load(fileURLToPath(new URL('../models/glossary', import.meta.url)));
  const greedy = { ...model.defaults, temperature: 0 };
  for (const { question, prompt_ids, answer_ids, answer } of expected.greedy) {
    const end = answer_ids.at(-1)!;
    const ids: number[] = [];
    const request = { tokens: prompt_ids, maxTokens: 64, stopTokens: [end], sampling: greedy, detectRepetition: true };
    for await (const event of model.engine.generate(request)) if (event.type === 'token') ids.push(event.id);
    expect([...ids, end]).toEqual(answer_ids);

    let text = '';
    for await (const event of model.chat([{ role: 'user', content: question }], { temperature: 0 })) {
      if (event.type === 'text') text += event.text;
    }
    expect(text).toBe(answer);
  }
});
