/** `kaiwen eval`: how well a model answers, with intervals, alone or beside another on the same items. */
import { Command, Option } from 'commander';
import { KaiwenError } from '../errors.js';
import { compare } from '../evaluate/compare.js';
import type { Item } from '../evaluate/item.js';
import { readItems } from '../evaluate/layouts.js';
import { parseReport, type Report } from '../evaluate/report.js';
import { type EvalSettings, evaluate, type ItemResult } from '../evaluate/run.js';
import { isNetworkOff } from '../evaluate/sandbox.js';
import { summarise } from '../evaluate/summary.js';
import type { JsonObject } from '../formats/checkpoint.js';
import type { AdapterSource } from '../generate/engine.js';
import { showNotices } from './backend.js';
import { comparisonTable, mistakesTable, resultTable } from './eval-table.js';
import { checkFileTarget, readText, writeWhole } from './files.js';
import { addAdapterOption, addEngineOptions, type EngineFlags, engineFrom, loadModel, wholeNumber } from './options.js';
import { colorsFor, startProgress } from './terminal.js';

interface Flags extends EngineFlags {
  compare?: string;
  out?: string;
  json?: boolean;
  raw?: boolean;
  system?: string;
  think?: boolean;
  choose?: 'letters' | 'answers';
  examples?: string;
  shots?: number;
  limit?: number;
  maxTokens: number;
  length?: number;
  parallel?: number;
  mistakes?: number;
  allowCodeExecution?: boolean;
  codeSeconds: number;
}

const MAX_REPORT_BYTES = 1 << 29;

export function evalCommand(): Command {
  const command = new Command('eval')
    .description('Measure how well a model answers: accuracy and perplexity with 95 % intervals, by task and domain.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .argument('<files...>', 'items to evaluate; their layout is recognised (below)')
    .option('--compare <model>', 'another model, or results of --out, to compare with on the same items')
    .option('--out <file>', 'write results and every answer as JSON')
    .option('--json', 'print the results as one JSON object instead of a table')
    .option('--mistakes <n>', 'show the first so many wrong answers', wholeNumber(1))
    .option('--limit <n>', 'only the first so many items of each kind and domain', wholeNumber(1))
    .option('--raw', 'continue plain text, without the chat template')
    .option('--system <text>', 'system prompt of items that have none')
    .option('--think', 'let the model think first, where it can')
    .option('--no-think', 'answer without thinking')
    .addOption(
      new Option('--choose <what>', 'of multiple choice, compare letters, or the answers themselves a byte')
        .choices(['letters', 'answers'])
        .default('letters'),
    )
    .option('--examples <file>', 'solved items that are shown before each question')
    .option('--shots <n>', 'how many of them', wholeNumber(1))
    .option('--max-tokens <n>', 'most tokens of an answer', wholeNumber(1), 512)
    .option('--length <n>', 'tokens of a window of text (default: the context)', wholeNumber(2))
    .option('--parallel <n>', 'items at a time (default: as memory allows, up to 4)', wholeNumber(1, 16))
    .option('--allow-code-execution', 'run programs that the model writes')
    .option('--code-seconds <n>', 'seconds that such a program may take', wholeNumber(1), 10);
  addAdapterOption(command, 'LoRA adapter in PEFT layout that answers');
  return addEngineOptions(command)
    .addHelpText(
      'after',
      `
Layouts:
  .csv    MMLU (question, choices, letter) or C-Eval (columns id, question, A, B, C, D, answer)
  .jsonl  GSM8K     {"question", "answer": "… #### 42"}
          HumanEval {"task_id", "prompt", "entry_point", "test"}
          calls     {"messages", "tools", "expected_calls": [{"name", "arguments"}]}
          your own  {"prompt" or "messages", "expected", "match": exact | contains | numeric | regex}
                    {"prompt", "choices": […], "answer": letter, index or text}
          texts     {"text"}, or {"messages"} as for training: how well are they predicted?
          each with "domain" and "language" if you like
  other   one text, for its perplexity

Answers are greedy. --allow-code-execution runs what the model writes in a child process with limits of time, memory
and file size, an empty environment and, where the system allows it, no network. It runs as you and can read and write
what you can: use a container or a virtual machine for models that you do not trust.

Examples:
  kaiwen eval models/glossary questions.jsonl
  kaiwen eval model.gguf mmlu/*_test.csv --examples mmlu/dev.csv --shots 5 --raw
  kaiwen eval tuned old-questions.jsonl --compare base      what did fine-tuning forget?
  kaiwen eval base gsm8k.jsonl --adapter tuned --compare base --out results.json`,
    )
    .action(run);
}

async function run(path: string, files: string[], flags: Flags): Promise<void> {
  if (flags.out) await checkFileTarget(flags.out);
  if (flags.adapter && flags.adapter.length > 1) {
    throw new KaiwenError('usage', 'Only one adapter can answer.', { remedy: 'Evaluate one after the other.' });
  }
  const items = limited(await readItems(files), flags.limit);
  const shots = flags.examples ? (await readItems([flags.examples])).slice(0, flags.shots) : [];
  const settings: EvalSettings = {
    shots,
    ...pickDefined(flags, ['raw', 'system', 'think', 'choose', 'maxTokens', 'length']),
    allowCode: flags.allowCodeExecution,
    limits: { seconds: flags.codeSeconds },
  };
  warnOfCode(items, flags);
  // Read before the work, so that a wrong path costs nothing.
  const known = flags.compare?.endsWith('.json') ? await readReport(flags.compare) : undefined;
  const adapter = flags.adapter?.[0];
  const results = await answers(path, items, settings, flags, adapter);
  const baseline = known?.items ?? (flags.compare && (await answers(flags.compare, items, settings, flags)));
  const report: Report = {
    format: 'kaiwen-eval',
    version: 1,
    model: path,
    ...(adapter && { adapter: adapter.path }),
    files,
    settings: settingsOf(flags, shots.length),
    results: summarise(results),
    ...(baseline && { baseline: known ? nameOf(known) : flags.compare, comparison: compare(baseline, results) }),
    items: results,
  };
  if (flags.out) await writeWhole(flags.out, [Buffer.from(`${JSON.stringify(report)}\n`)]);
  show(report, items, baseline || undefined, flags);
}

async function answers(
  path: string,
  items: readonly Item[],
  settings: EvalSettings,
  flags: Flags,
  adapter?: AdapterSource,
): Promise<ItemResult[]> {
  const engine = engineFrom({ ...flags, adapter: adapter && [adapter] });
  await using model = await loadModel(path, { ...engine, sequences: flags.parallel ?? 'fitting' });
  showNotices(model.info);
  const progress = startProgress(`evaluating ${path}`);
  try {
    return await evaluate(model, items, { ...settings, adapter: adapter?.name }, progress.update);
  } finally {
    progress.end();
  }
}

function show(report: Report, items: readonly Item[], baseline: readonly ItemResult[] | undefined, flags: Flags): void {
  if (flags.json) {
    const { items: _items, ...summary } = report;
    console.log(JSON.stringify(summary));
    return;
  }
  const colors = colorsFor(process.stdout);
  const name = nameOf(report);
  console.log(resultTable(name, report.results, colors));
  if (baseline && report.comparison) {
    console.log(`\n${resultTable(report.baseline!, summarise(baseline), colors)}`);
    console.log(`\n${comparisonTable(name, report.baseline!, report.comparison, colors)}`);
  }
  if (flags.mistakes) console.log(`\n${mistakesTable(report.items, items, flags.mistakes, colors)}`);
}

/** Who answered. */
function nameOf({ model, adapter }: Report): string {
  return adapter ? `${model} with ${adapter}` : model;
}

async function readReport(file: string): Promise<Report> {
  return parseReport(await readText(file, MAX_REPORT_BYTES), file);
}

function warnOfCode(items: readonly Item[], { allowCodeExecution }: Flags): void {
  if (!allowCodeExecution || !items.some(({ task }) => task.kind === 'code') || isNetworkOff()) return;
  const { yellow } = colorsFor(process.stderr);
  console.error(yellow('This system does not let an ordinary user switch the network off: programs can use it.'));
}

/** The first `limit` items of each kind and domain. */
function limited(items: readonly Item[], limit = Number.POSITIVE_INFINITY): Item[] {
  const taken = new Map<string, number>();
  return items.filter(({ task, domain }) => {
    const group = JSON.stringify([task.kind, domain]);
    taken.set(group, (taken.get(group) ?? 0) + 1);
    return taken.get(group)! <= limit;
  });
}

/** What decides the answers. */
function settingsOf(flags: Flags, shots: number): JsonObject {
  const { raw = false, system = null, think = null, choose = 'letters', maxTokens, length = null } = flags;
  const { limit = null, examples = null, kv = null } = flags;
  return { raw, system, think, choose, maxTokens, length, limit, examples, shots, kv };
}

function pickDefined<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<T, K>;
}
