/**
 * Writes what the guide to fine-tuning needs: questions.jsonl, the shop's questions and answers; eval.jsonl, the same
 * in words it has not seen, and held.jsonl, those with their answers; remember.jsonl, a few of the conversations that made the model; before.jsonl, what it could
 * answer before.
 * Run: npx tsx recipes/shop/generate.ts [FOLDER]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from '../mini/data/generate.js';
import { facts } from './facts.js';

/** Enough to keep in memory what was there, and not many times the shop's own. */
const REMEMBERED = 700;

const folder = process.argv[2] ?? 'recipes/shop/work';
mkdirSync(folder, { recursive: true });

const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

const training = facts.flatMap(({ questions, answer }) =>
  questions.map((question) => ({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  })),
);
const evaluation = facts.flatMap(({ kept, expected, language }) =>
  kept.map((question) => ({
    messages: [{ role: 'user', content: question }],
    ...{ expected, match: 'contains', domain: 'shop', language },
  })),
);
const held = facts.flatMap(({ kept, answer }) =>
  kept.map((question) => ({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  })),
);
writeFileSync(join(folder, 'questions.jsonl'), lines(training));
writeFileSync(join(folder, 'held.jsonl'), lines(held));
writeFileSync(join(folder, 'eval.jsonl'), lines(evaluation));

const mini = join(folder, 'mini');
await generate(mini);
const conversations = readFileSync(join(mini, 'sft.jsonl'), 'utf8').split('\n');
writeFileSync(join(folder, 'remember.jsonl'), `${conversations.slice(0, REMEMBERED).join('\n')}\n`);
writeFileSync(join(folder, 'before.jsonl'), readFileSync(join(mini, 'eval.jsonl')));
console.log(`${training.length} questions to train on and ${evaluation.length} to evaluate in ${folder}`);
