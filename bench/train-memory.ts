/**
 * Compares the memory that `kaiwen train` predicts with the most that the process then has resident (as the system
 * counts it, until training ends), and the time too. A few steps each; a model of 51 million parameters is made on the way.
 *
 *   npm run -s build && npx tsx bench/train-memory.ts [--steps 3]
 *
 * Exit code 1 if a prediction of memory is more than 15 % off.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const GLOSSARY = fileURLToPath(new URL('../models/glossary', import.meta.url));

interface Done {
  kind: string;
  prediction: { peakBytes: number; secondsPerStep: number };
  used: { peakBytes: number; seconds: number };
}

const { steps } = parseArgs({ options: { steps: { type: 'string', default: '3' } } }).values;
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-memory-'));
const large = join(folder, 'large/model');

const ARCHITECTURE = {
  ...{ hidden_size: 512, intermediate_size: 1536, num_hidden_layers: 11, head_dim: 64, vocab_size: 32_768 },
  ...{ num_attention_heads: 8, num_key_value_heads: 4 },
};
const GLOSSARY_SHAPE = { hidden_size: 128, intermediate_size: 384, num_hidden_layers: 6, head_dim: 32 };

const SETTINGS: readonly [name: string, out: string, settings: object][] = [
  [
    'pre-training, 1.7 million parameters, 24 × 128 tokens',
    'small',
    { method: 'pretrain', architecture: GLOSSARY_SHAPE, context: 128, batch_tokens: 3072 },
  ],
  [
    'pre-training, 51 million parameters, 2,048 tokens',
    'large',
    { method: 'pretrain', architecture: ARCHITECTURE, context: 256, batch_tokens: 2048 },
  ],
  [
    'full fine-tuning, 1.7 million parameters, 512 tokens',
    'full',
    { method: 'sft', model: GLOSSARY, batch_tokens: 512 },
  ],
  [
    'LoRA, 51 million parameters, 256 tokens',
    'lora',
    { method: 'sft', model: large, tuning: 'lora', context: 256, batch_tokens: 256 },
  ],
  [
    'QLoRA (Q8_0), 51 million parameters, 256 tokens',
    'qlora',
    { method: 'sft', model: large, tuning: 'qlora', context: 256, batch_tokens: 256 },
  ],
];

/** Enough words for full batches. */
function writeData(): { text: string; chat: string } {
  const sentence = (i: number) =>
    Array.from(
      { length: 12 },
      (_, k) => ['river', 'peace', 'winter', 'answer', 'house'][(i * 7 + k * 3) % 5] + (i % 97),
    );
  const lines = (make: (words: string, i: number) => object) =>
    Array.from({ length: 4000 }, (_, i) => `${JSON.stringify(make(sentence(i).join(' '), i))}\n`).join('');
  const [text, chat] = [join(folder, 'text.jsonl'), join(folder, 'chat.jsonl')];
  writeFileSync(
    text,
    lines((words) => ({ text: words })),
  );
  writeFileSync(
    chat,
    lines((words, i) => ({ prompt: `What of ${i}?`, completion: words })),
  );
  return { text, chat };
}

const data = writeData();
let off = 0;
console.log('| setting | predicted | measured | ratio | a step, predicted | measured |\n|---|---|---|---|---|---|');
try {
  for (const [name, out, settings] of SETTINGS) {
    const fresh = 'architecture' in settings;
    const config = {
      ...{ out: join(folder, out), data: fresh ? data.text : data.chat, ...(fresh && { tokenizer: GLOSSARY }) },
      ...{ steps: Number(steps), accumulate: 1, validation: { tokens: 2048 }, ...settings },
    };
    const path = join(folder, `${out}.yaml`);
    writeFileSync(path, JSON.stringify(config));
    const lines = execFileSync(process.execPath, [MAIN, 'train', path, '--json'], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const { prediction, used } = JSON.parse(lines.at(-1)!) as Done;
    const ratio = prediction.peakBytes / used.peakBytes;
    if (Math.abs(ratio - 1) > 0.15) off++;
    const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
    const seconds = [prediction.secondsPerStep, used.seconds / Number(steps)].map((value) => `${value.toFixed(2)} s`);
    const figures = [mb(prediction.peakBytes), mb(used.peakBytes), ratio.toFixed(2), ...seconds];
    console.log(`| ${name} | ${figures.join(' | ')} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(off > 0 ? 1 : 0);
