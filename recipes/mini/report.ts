/** What a run of the recipe came to, as Markdown and a picture: losses, times, and scores by domain and language. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseReport } from '../../src/evaluate/report.js';
import type { ItemResult } from '../../src/evaluate/run.js';
import { plot, type Series } from '../../src/train/plot.js';
import type { TrainRecord } from '../../src/train/trainer.js';

const TRAININGS = ['pretrain', 'sft', 'polish', 'dpo'] as const;
const LANGUAGES = ['en', 'zh'] as const;

/** Writes report.md and loss.svg into the folder. */
export function writeReport(work: string): void {
  const parts = [trainings(work)];
  for (const name of ['sft', 'polish', 'dpo', 'gguf']) {
    const file = join(work, 'scores', `${name}.json`);
    if (existsSync(file))
      parts.push(`## Scores: ${name}\n\n${scores(parseReport(readFileSync(file, 'utf8'), file).items)}`);
  }
  const log = readFileSync(join(work, 'log.txt'), 'utf8');
  parts.push(`## Log\n\n\`\`\`\n${log.trim()}\n\`\`\``);
  writeFileSync(join(work, 'report.md'), `${parts.join('\n\n')}\n`);
  const figure = plot('Loss', [...curves(work, 'pretrain'), ...curves(work, 'sft')]);
  const svg = figure
    .slice(figure.indexOf('<svg'))
    .replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12" ');
  writeFileSync(join(work, 'loss.svg'), `${svg}\n`);
}

function records(work: string, name: string): TrainRecord[] {
  const file = join(work, name, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainRecord);
}

function trainings(work: string): string {
  const rows = TRAININGS.map((name) => {
    const all = records(work, name);
    const steps = all.filter((record) => record.kind === 'step');
    const validations = all.filter((record) => record.kind === 'validation');
    const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
    const rowsOfAll = steps.reduce((sum, step) => sum + step.rows, 0);
    const [first, last] = [validations[0], validations.at(-1)].map((one) => one?.loss.toFixed(3) ?? '');
    const speed = Math.round(rowsOfAll / seconds).toLocaleString('en');
    return `| ${name} | ${steps.length} | ${(rowsOfAll / 1e6).toFixed(2)} M | ${(seconds / 60).toFixed(1)} min | ${speed} | ${first} | ${last} |`;
  });
  const head =
    '| training | steps | tokens | time | tokens/s | first validation loss | last |\n|---|---|---|---|---|---|---|';
  return `## Training\n\n${head}\n${rows.join('\n')}`;
}

function curves(work: string, name: string): Series[] {
  const all = records(work, name);
  const of = (kind: 'step' | 'validation') =>
    all.flatMap((record) => (record.kind === kind ? [[record.step, record.loss] as const] : []));
  return [{ name: `${name} (${name === 'sft' ? 'answers only' : 'all tokens'})`, points: of('step'), smooth: true }];
}

/** Right answers of each domain in each language. */
function scores(items: readonly ItemResult[]): string {
  const domains = [...new Set(items.map(({ domain = '' }) => domain))];
  const cell = (some: readonly ItemResult[]) => {
    if (some.length === 0) return '';
    const right = some.filter(({ correct }) => correct).length;
    return `${((100 * right) / some.length).toFixed(1)} % of ${some.length}`;
  };
  const row = (name: string, some: readonly ItemResult[]) =>
    `| ${name} | ${LANGUAGES.map((language) => cell(some.filter((item) => item.language === language))).join(' | ')} |`;
  const rows = domains.map((name) =>
    row(
      name,
      items.filter(({ domain = '' }) => domain === name),
    ),
  );
  return `| domain | English | Chinese |\n|---|---|---|\n${rows.join('\n')}\n${row('all', items)}`;
}
