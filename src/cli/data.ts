/** `kaiwen data`: from files of examples to shards that `kaiwen train` reads, and looks at both. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { countTokens, type Examination, examine, type TokenCounts } from '../data/examine.js';
import { type PrepareOptions, type PrepareProgress, prepare } from '../data/prepare.js';
import type { FaultPlace, Report } from '../data/report.js';
import { placeOf } from '../data/report.js';
import { takeSamples } from '../data/sample.js';
import { isShardFolder, ShardReader } from '../data/shards.js';
import { KaiwenError } from '../errors.js';
import {
  addEncodeOptions,
  addJudgeOptions,
  addReadOptions,
  dataOptions,
  type EncodeFlags,
  encodeOptions,
  type JudgeFlags,
  type ReadFlags,
  SHAPES_HELP,
} from './data-options.js';
import { tokenTexts, viewDocument } from './data-view.js';
import { wholeNumber } from './options.js';
import { colorsFor, formatCount, startProgress } from './terminal.js';

type Flags = ReadFlags & JudgeFlags & EncodeFlags & { json?: boolean };
type PrepareFlags = Flags & {
  model: string;
  out: string;
  force?: boolean;
  validation: number;
  seed: number;
  shardTokens?: number;
};
type ExamineFlags = Flags & { model?: string };
type PreviewFlags = Flags & { model: string; count: number; skip: number };

export function dataCommand(): Command {
  return new Command('data')
    .description('Make training data of files, check it, count it, and look at what will be learned.')
    .addHelpText('after', SHAPES_HELP)
    .addHelpText(
      'after',
      `
Examples:
  kaiwen data validate faq.csv                                 is every record fit to learn from?
  kaiwen data preview faq.csv --model Qwen3-0.6B               what would be learned of it?
  kaiwen data prepare faq.csv --model Qwen3-0.6B --out faq     shards for kaiwen train
  kaiwen data stats faq                                        what is in them?`,
    )
    .addCommand(prepareCommand())
    .addCommand(validateCommand())
    .addCommand(previewCommand())
    .addCommand(statsCommand());
}

function prepareCommand(): Command {
  const command = new Command('prepare')
    .summary('tokenise files into shards for kaiwen train')
    .description(
      'Read, judge and split examples, tokenise them with a model, and write shards with the loss weight of every token.',
    )
    .argument('<paths...>', 'files, or folders of files')
    .requiredOption('--model <model>', 'whose tokens and chat template: model folder, GGUF file or tokenizer.json')
    .requiredOption('--out <folder>', 'the folder to write; the same command goes on where a killed one stood')
    .option('--force', 'replace what other settings or files left in the folder')
    .addOption(
      new Option('--validation <share>', 'of the documents, kept for validation; what resembles them is kept too')
        .argParser(Number)
        .default(0.02),
    )
    .option('--seed <n>', 'chooses the documents for validation', wholeNumber(0), 0)
    .option('--shard-tokens <n>', 'begin a new shard after so many (default: 16 million)', wholeNumber(1000));
  return addEncodeOptions(addJudgeOptions(addReadOptions(command)))
    .option('--json', 'print the result as one JSON object')
    .addHelpText(
      'after',
      `${SHAPES_HELP}

Writes train and validation (shards), and datasheet.json: files with their hashes, sources, licences, what was dropped
and why. A message may have a "weight" from 0 to 1 of its own.

Examples:
  kaiwen data prepare chats.jsonl --model Qwen3-0.6B --out chats
  kaiwen data prepare corpus/ --model my-tokenizer --out corpus-8k --dedupe near --min-chars 200
  kaiwen data prepare web.parquet books/ --licence CC-BY-4.0 --licence public-domain --model m --out mix
  kaiwen data prepare faq.csv --field Frage=prompt --field Antwort=completion --model m --out faq --mask`,
    )
    .action(runPrepare);
}

function validateCommand(): Command {
  const command = new Command('validate')
    .summary('name every bad record with file and line')
    .description('Read every record and name the bad ones with file and line. Ends with code 1 if there are any.')
    .argument('<paths...>', 'files, or folders of files')
    .option('--model <model>', "also find what this model's chat template refuses, and count tokens");
  return addEncodeOptions(addJudgeOptions(addReadOptions(command)))
    .option('--json', 'print the result as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  kaiwen data validate chats.jsonl
  kaiwen data validate chats.jsonl --model Qwen3-0.6B --max-tokens 4096
  kaiwen data validate chats.jsonl --json | jq .report.faults`,
    )
    .action((paths: string[], flags: ExamineFlags) => runExamine(paths, flags, true));
}

function previewCommand(): Command {
  const command = new Command('preview')
    .summary('show examples token by token with what is learned of them')
    .description(
      'Show examples as they will be learned: green tokens are learned, dim ones are read only. Without a terminal, a line for each stretch: its weight and its tokens.',
    )
    .argument('<paths...>', 'files, folders of files, or a folder that prepare made')
    .requiredOption('--model <model>', 'whose tokens and chat template: model folder, GGUF file or tokenizer.json')
    .option('--count <n>', 'how many examples', wholeNumber(1), 3)
    .option('--skip <n>', 'pass over so many first', wholeNumber(0), 0);
  return addEncodeOptions(addReadOptions(command))
    .option('--json', 'print an object a line: place, ids, weights (0 to 1) and tokens')
    .addHelpText(
      'after',
      `
Examples:
  kaiwen data preview chats.jsonl --model Qwen3-0.6B
  kaiwen data preview chats.jsonl --model Qwen3-0.6B --skip 100 --count 1 --loss last
  kaiwen data preview prepared --model Qwen3-0.6B --json | jq .tokens`,
    )
    .action(runPreview);
}

function statsCommand(): Command {
  const command = new Command('stats')
    .summary('count records, tokens, sources and licences')
    .description('Count what files or a prepared folder hold.')
    .argument('<paths...>', 'files, folders of files, or a folder that prepare made')
    .option('--model <model>', 'count tokens too, with its tokenizer and chat template');
  return addEncodeOptions(addJudgeOptions(addReadOptions(command)))
    .option('--json', 'print everything as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  kaiwen data stats corpus/
  kaiwen data stats chats.jsonl --model Qwen3-0.6B
  kaiwen data stats prepared --json | jq .train.tokens`,
    )
    .action((paths: string[], flags: ExamineFlags) => {
      const [folder] = paths;
      const prepared = isShardFolder(folder) || isShardFolder(join(folder, 'train'));
      return prepared ? statsOfShards(folder, flags) : runExamine(paths, flags, false);
    });
}

async function runPrepare(paths: string[], flags: PrepareFlags): Promise<void> {
  const { model, out, force, validation, seed, shardTokens, maxTokens } = flags;
  const options = {
    ...dataOptions(paths, flags),
    ...encodeOptions(flags),
    ...{ model, out, force, validation, seed, shardTokens, maxTokens },
  };
  const started = performance.now();
  const result = await withProgress((more) => prepare({ ...options, ...more } satisfies PrepareOptions)).catch(
    (error) => {
      const interrupted = error instanceof KaiwenError && error.code === 'aborted';
      if (interrupted) console.error('Interrupted. The same command goes on from here.');
      throw error;
    },
  );
  if (flags.json) return print(JSON.stringify(result, null, 2));
  const { dim, yellow, bold } = colorsFor(process.stdout);
  const parts = [result.train, result.validation].filter((part) => part !== undefined);
  for (const { path, documents, tokens, learned } of parts) {
    await print(
      `${bold(path)}  ${count(documents, 'document')}, ${formatCount(tokens)} tokens, ${formatCount(learned)} learned`,
    );
  }
  if (result.reused) await print(dim('prepared before from the same files with the same settings; nothing was done'));
  else await print(dim(`${((performance.now() - started) / 1000).toFixed(1)} s`));
  await printReport(result.report, result.notices);
  if (result.report.faults > 0) {
    for (const fault of result.report.faultList.slice(0, 5)) console.error(yellow(placeOf(fault)));
  }
}

/** @param check name the faults and end with code 1 if there are any */
async function runExamine(paths: string[], flags: ExamineFlags, check: boolean): Promise<void> {
  const { model, maxTokens } = flags;
  const faults: FaultPlace[] = [];
  const result = await withProgress((more) =>
    examine({
      ...{ maxFaults: Number.POSITIVE_INFINITY, ...defined(dataOptions(paths, flags)), ...encodeOptions(flags) },
      ...{ model, maxTokens, ...more },
      onFault: (fault) => {
        if (check) faults.push(fault);
      },
    }),
  );
  if (check && result.report.faults > 0) process.exitCode = 1;
  if (flags.json) return print(JSON.stringify(check ? { ...result, faults } : result, null, 2));
  const { yellow } = colorsFor(process.stdout);
  for (const fault of faults) await print(yellow(placeOf(fault)));
  await printExamination(result);
}

async function runPreview(paths: string[], flags: PreviewFlags): Promise<void> {
  const { model, count, skip, maxTokens } = flags;
  const options = { ...dataOptions(paths, flags), ...encodeOptions(flags), model, maxTokens, count, skip };
  const { tokenizer, samples } = takeSamples(options);
  const colors = colorsFor(process.stdout);
  let shown = 0;
  for await (const sample of samples) {
    if ('fault' in sample) {
      console.error(colorsFor(process.stderr).yellow(`${sample.place}: ${sample.fault}`));
      continue;
    }
    const { place, ids, weights } = sample;
    if (flags.json) {
      const line = { place, ids: [...Array.from(ids)], weights: Array.from(weights, (weight) => weight / 255) };
      await print(JSON.stringify({ ...line, tokens: tokenTexts(tokenizer, ids) }));
    } else await print(`${shown > 0 ? '\n' : ''}${viewDocument(sample, tokenizer, colors)}`);
    shown++;
  }
  if (shown === 0 && !flags.json) console.error('There is no example to show.');
}

async function statsOfShards(folder: string, { json }: Flags): Promise<void> {
  const parts: Record<string, object> = {};
  const lines: string[] = [];
  const folders = isShardFolder(folder) ? [''] : ['train', 'validation'];
  for (const name of folders.filter((name) => isShardFolder(join(folder, name)))) {
    using reader = new ShardReader(join(folder, name));
    const { kind, sources, learned, hash, vocabSize, shards } = reader.index;
    const lengths = Uint32Array.from({ length: reader.documents }, (_, i) => reader.length(i));
    const counts = countTokens(lengths, learned);
    parts[name || 'train'] = { kind, ...counts, sources, hash, vocabSize, shards: shards.length };
    lines.push(...[`${colorsFor(process.stdout).bold(join(folder, name))}  ${kind}`, ...tokenLines(counts)]);
  }
  await print(json ? JSON.stringify(parts, null, 2) : lines.join('\n'));
}

async function printExamination({
  files,
  examples,
  chars,
  sources,
  report,
  notices,
  tokens,
}: Examination): Promise<void> {
  const kinds = Object.entries(examples).map(([kind, number]) => `${number} ${kind}`);
  await print(
    `${count(report.records, 'record')} in ${count(files.length, 'file')}: ${kinds.join(', ') || 'none good'}`,
  );
  await print(`${formatCount(chars)} characters`);
  const licences = new Map<string, number>();
  for (const { licence = 'no licence named', records } of sources) {
    licences.set(licence, (licences.get(licence) ?? 0) + records);
  }
  await print(Array.from(licences, ([licence, records]) => `${licence}: ${count(records, 'record')}`).join('\n'));
  if (tokens) await print(tokenLines(tokens).join('\n'));
  await printReport(report, notices);
}

async function printReport(
  { dropped, faults, masked, kept, records }: Report,
  notices: readonly string[],
): Promise<void> {
  const { yellow, green } = colorsFor(process.stdout);
  for (const [reason, number] of Object.entries(dropped)) await print(`${number} dropped: ${reason}`);
  const masks = Object.entries(masked).filter(([, number]) => number > 0);
  if (masks.length > 0) await print(`masked: ${masks.map(([kind, number]) => `${number} ${kind}`).join(', ')}`);
  if (faults > 0) await print(yellow(`${count(faults, 'record')} of ${records} bad`));
  else await print(green(`${kept} of ${count(records, 'record')} fit to learn from, none bad`));
  for (const notice of notices) await print(yellow(notice));
}

function tokenLines({ documents, tokens, learned, lengths }: TokenCounts): string[] {
  const { median, p90, p99, max } = lengths;
  const share = tokens > 0 ? Math.round((learned / tokens) * 100) : 0;
  return [
    `${count(documents, 'document')}, ${formatCount(tokens)} tokens, ${formatCount(learned)} learned (${share} %)`,
    `tokens a document: half up to ${median}, 90 % up to ${p90}, 99 % up to ${p99}, longest ${max}`,
  ];
}

/** Runs `work` with a bar and so that Ctrl-C ends it at a good moment. */
async function withProgress<T>(
  work: (options: { onProgress: (progress: PrepareProgress) => void; signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  let stage = 'reading';
  let bar = startProgress(stage);
  try {
    return await work({
      signal: interrupted.signal,
      onProgress: ({ stage: now, done, total }) => {
        if (now !== stage) {
          bar.end();
          stage = now;
          bar = startProgress(stage);
        }
        bar.update(done, total);
      },
    });
  } finally {
    bar.end();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

async function print(text: string): Promise<void> {
  if (text !== '' && !process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** Without the fields that are undefined, which would hide defaults. */
function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
