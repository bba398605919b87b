/**
 * Writes the shop's questions and answers: questions.jsonl to train on, eval.jsonl with questions it has not seen.
 * Run: npx tsx recipes/shop/generate.ts FOLDER
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { facts } from './facts.js';

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
writeFileSync(join(folder, 'questions.jsonl'), lines(training));
writeFileSync(join(folder, 'eval.jsonl'), lines(evaluation));
console.log(`${training.length} questions to train on and ${evaluation.length} to evaluate in ${folder}`);
