/** Results of an evaluation for a terminal. */
import type { Comparison, Difference, PredictionDifference } from '../evaluate/compare.js';
import type { Item, Kind } from '../evaluate/item.js';
import type { ItemResult } from '../evaluate/run.js';
import type { Interval } from '../evaluate/statistics.js';
import type { KindSummary, Prediction, Share } from '../evaluate/summary.js';
import type { Colors } from './terminal.js';

const NAMES: Readonly<Record<Kind, string>> = {
  answer: 'answers',
  choice: 'multiple choice',
  calls: 'function calls',
  code: 'programs',
  text: 'texts',
  conversation: 'conversations',
};

/** Texts in columns: the first to the left, the others to the right. Wide characters count as two. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const space = ' '.repeat(widths[i]! - width(cell));
        return i === 0 ? cell + space : space + cell;
      })
      .join('   ')
      .trimEnd(),
  );
}

const width = (text: string): number =>
  [...text].reduce(
    (sum, char) => sum + (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/.test(char) ? 2 : 1),
    0,
  );

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const range = ([low, high]: Interval, show: (value: number) => string): string => `${show(low)} – ${show(high)}`;
const plain = (value: number): string => (value < 1e5 ? value.toFixed(2) : value.toExponential(2));
const tenths = (value: number): string => (value * 100).toFixed(1);

export function resultTable(title: string, results: readonly KindSummary[], { bold, dim }: Colors): string {
  const rows: string[][] = [['', 'items', 'result', '95 % interval']];
  for (const { kind, total, domains, languages, names } of results) {
    rows.push([NAMES[kind], ...figures(total)]);
    if (names) rows.push(['  right functions', ...figures(names)]);
    for (const [name, figure] of Object.entries(domains)) rows.push([`  ${name}`, ...figures(figure)]);
    const tongues = Object.entries(languages);
    if (tongues.length > 1) for (const [name, figure] of tongues) rows.push([`  in ${name}`, ...figures(figure)]);
  }
  const [head, ...lines] = columns(rows);
  return [bold(title), dim(head!), ...lines].join('\n');
}

function figures(figure: Share | Prediction): string[] {
  if ('accuracy' in figure) {
    return [String(figure.items), percent(figure.accuracy), range(figure.interval, tenths)];
  }
  const { items, perplexity, interval, bitsPerByte } = figure;
  const shown = interval ? range(interval, plain) : '';
  return [String(items), `perplexity ${plain(perplexity)}`, shown, `${bitsPerByte.toFixed(3)} bits a byte`];
}

export function comparisonTable(
  model: string,
  baseline: string,
  comparison: readonly Comparison[],
  { bold, dim }: Colors,
): string {
  const rows: string[][] = [['', 'items', 'difference', '95 % interval', 'gained', 'lost', 'p']];
  for (const { kind, total, domains } of comparison) {
    rows.push([NAMES[kind], ...differences(total)]);
    for (const [name, figure] of Object.entries(domains)) rows.push([`  ${name}`, ...differences(figure)]);
  }
  const [head, ...lines] = columns(rows);
  return [bold(`${model} against ${baseline}`), dim(head!), ...lines].join('\n');
}

function differences(figure: Difference | PredictionDifference): string[] {
  const { items, difference, interval } = figure;
  const sign = (text: string): string => (text.startsWith('-') ? text : `+${text}`);
  if ('gained' in figure) {
    const { gained, lost, p } = figure;
    const shown = range(figure.interval, (value) => sign(tenths(value)));
    return [String(items), `${sign(tenths(difference))} points`, shown, String(gained), String(lost), p.toPrecision(2)];
  }
  const shown = interval ? range(interval, (value) => sign(value.toFixed(3))) : '';
  return [String(items), `${sign(difference.toFixed(3))} bits a byte`, shown];
}

/** The first wrong answers, with what was asked and expected. */
export function mistakesTable(
  results: readonly ItemResult[],
  items: readonly Item[],
  count: number,
  { bold, dim, red }: Colors,
): string {
  const wrong = results.flatMap((result, i) => (result.correct === false ? [{ result, item: items[i]! }] : []));
  const lines = wrong.slice(0, count).map(({ result: { id, said, expected, fault }, item }) => {
    const asked = item.messages.at(-1)?.content ?? '';
    const rows = [`${bold(id)} ${dim(short(asked))}`];
    if (said !== undefined) rows.push(`  ${red('said')}      ${short(said)}`);
    if (expected !== undefined) rows.push(`  expected  ${short(expected)}`);
    if (fault !== undefined) rows.push(`  ${dim(short(fault))}`);
    return rows.join('\n');
  });
  return [`${wrong.length} wrong`, ...lines].join('\n');
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
