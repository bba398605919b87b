/** What is compared: models that lie in the repository (and one random one) with the tokens to run through them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { readSafetensors } from '../../src/formats/safetensors.js';
import { openTokenizer } from '../../src/tokenizer/load.js';
import { prepareModel } from './models.js';

export interface Case {
  name: string;
  /** Folder or file to convert from. */
  model: string;
  types: readonly ConvertType[];
  ids: readonly number[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const GLOSSARY = join(root, 'models/glossary');
const FIXTURES = join(root, 'test/fixtures/logits');

/** llama.cpp knows no dynamic NTK and no LogN: the first generation agrees within the length it was trained on. */
const TRAINED_LENGTH: Readonly<Record<string, number>> = { 'qwen1-ntk-logn': 32 };

export async function listCases(): Promise<Case[]> {
  const fixtures = readdirSync(FIXTURES).map((name): Case => {
    const model = join(FIXTURES, name);
    const ids = readSafetensors(join(model, 'expected.safetensors')).get('input_ids')!.data as BigInt64Array;
    return { name, model, types: ['f32', 'q8_0', 'q4_0'], ids: Array.from(ids, Number).slice(0, TRAINED_LENGTH[name]) };
  });
  const ids = glossaryIds(256);
  return [
    ...fixtures,
    // Its rows are shorter than the super-blocks of Q4_K and Q6_K; the small model has rows that fit them.
    { name: 'glossary', model: GLOSSARY, types: ['f32', 'q8_0', 'q4_0'], ids },
    { name: 'small', model: await prepareModel('small', 'f32'), types: ['f32', 'q8_0', 'q4_0', 'q6_k', 'q4_k_m'], ids },
  ];
}

/** Held-out documents of the glossary, as [word, gloss]. */
export function glossaryDocuments(): [word: string, gloss: string][] {
  const file = join(root, 'test/fixtures/glossary/expected.json');
  return JSON.parse(readFileSync(file, 'utf8')).held_out.documents;
}

/** The texts of the tokenizer's test vectors: many scripts, emoji, code, odd spaces. */
export function vectorTexts(): string[] {
  const vectors = JSON.parse(readFileSync(join(root, 'test/fixtures/tokenizer-vectors.json'), 'utf8'));
  return vectors.map(({ text }: { text: string }) => text);
}

function glossaryIds(count: number): number[] {
  const tokenizer = openTokenizer(GLOSSARY);
  const chat = ([word, gloss]: [string, string]): string =>
    `<|im_start|>user\nWhat does "${word}" mean?<|im_end|>\n<|im_start|>assistant\n${gloss}<|im_end|>\n`;
  const text = glossaryDocuments().slice(0, 20).map(chat).join('');
  return tokenizer.encode(text, { control: true }).slice(0, count);
}
