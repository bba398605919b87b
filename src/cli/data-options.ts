/** Options that the subcommands of `kaiwen data` share, and what they mean to src/data. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EncodeOptions, Loss } from '../data/encode.js';
import type { SourceOptions } from '../data/files.js';
import { SCRIPT_NAMES } from '../data/filters.js';
import { MASK_KINDS, type MaskKind } from '../data/mask.js';
import type { DataOptions } from '../data/prepare.js';
import type { ScanOptions } from '../data/scan.js';
import { SHAPES, type Shape } from '../data/shapes.js';
import { KaiwenError } from '../errors.js';
import { wholeNumber } from './options.js';
import { parseNumber } from './settings.js';

export interface ReadFlags {
  shape?: Shape;
  field?: Record<string, string>;
  plain?: boolean;
  licence?: string[];
  mask?: MaskKind[];
}

export interface JudgeFlags {
  dedupe?: ScanOptions['dedupe'];
  similarity?: number;
  minChars?: number;
  maxChars?: number;
  maxRepetition?: number;
  maxSymbols?: number;
  script?: string[];
  strict?: boolean;
  maxBad?: number;
  threads?: number;
}

export interface EncodeFlags {
  loss?: Loss;
  think?: boolean;
  endToken?: string;
  maxTokens?: number;
}

export const SHAPES_HELP = `
Files: .jsonl, .ndjson, .json, .parquet, .csv, .tsv, .txt, .md (all but .parquet also with .gz), or folders of them.
Shapes of a record, told apart by its fields:
  {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}], "tools": […]}
  {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}       sharegpt
  {"instruction": "…", "input": "…", "output": "…"}                                          alpaca
  {"prompt": "…", "completion": "…"}, also question and answer
  {"prompt": "…", "chosen": "…", "rejected": "…"}                                            preference pairs
  {"text": "…"}, and files of plain text or Markdown`;

/** How records are read. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--shape <shape>', "the data's shape (default: by the fields of each record)").choices(SHAPES),
    )
    .option('--field <from=to>', 'a field under another name, such as frage=prompt; may be given again', addField)
    .option('--plain', 'prompt and completion are plain text, not turns of a chat')
    .option(
      '--licence <name>',
      'of data that names none: once, or once for each path',
      (name, before: string[] = []) => [...before, name],
    )
    .addOption(
      new Option('--mask [kinds]', `mask personal data: all of ${MASK_KINDS.join(', ')}, or some`)
        .argParser((text) => listOf(text, MASK_KINDS))
        .preset(MASK_KINDS.join(',')),
    );
}

/** What is left out. */
export function addJudgeOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--dedupe <how>', 'drop examples that are there already: the same, or similar ones too')
        .choices(['none', 'exact', 'near'])
        .default('exact'),
    )
    .option('--similarity <share>', 'from which --dedupe near calls examples near (default: 0.8)', share)
    .option('--min-chars <n>', 'drop shorter examples', wholeNumber(0))
    .option('--max-chars <n>', 'drop longer examples', wholeNumber(1))
    .option('--max-repetition <share>', 'drop texts of which more is runs of five words that were there before', share)
    .option('--max-symbols <share>', 'drop texts of which more is neither letters, numbers nor punctuation', share)
    .option('--script <names>', `keep texts mostly in these scripts: ${SCRIPT_NAMES.join(', ')}`, (text) =>
      listOf(text, SCRIPT_NAMES),
    )
    .option('--strict', 'stop at the first bad record instead of leaving it out')
    .option('--max-bad <n>', 'stop when more records are bad (default: 1000)', wholeNumber(0))
    .option('--threads <n>', 'threads that work (default: physical cores)', wholeNumber(1, 256));
}

/** How examples become tokens. */
export function addEncodeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--loss <turns>',
        "which turns are learned: the assistant's, its last, or all (default: assistant)",
      ).choices(['assistant', 'last', 'all']),
    )
    .option('--think', 'render for answers with thinking, where the template asks')
    .option('--no-think', 'render for answers without thinking')
    .option('--end-token <token>', "ends a text (default: the model's own)")
    .option('--max-tokens <n>', 'leave out longer conversations, cut longer texts', wholeNumber(2));
}

export function dataOptions(paths: readonly string[], flags: ReadFlags & JudgeFlags): DataOptions {
  const { shape, field, plain, mask, dedupe, similarity, strict, maxBad, threads } = flags;
  const { minChars, maxChars, maxRepetition, maxSymbols, script } = flags;
  return {
    sources: sourcesOf(paths, flags.licence),
    ...{ shape, fields: field, plain, mask, dedupe, similarity, strict, maxFaults: maxBad, threads },
    filters: { minChars, maxChars, maxRepetition, maxSymbols, scripts: script },
  };
}

export function encodeOptions({ loss, think, endToken }: EncodeFlags): EncodeOptions {
  return { loss, think, endToken };
}

function sourcesOf(paths: readonly string[], licences: readonly string[] = []): SourceOptions[] {
  if (licences.length > 1 && licences.length !== paths.length) {
    throw new KaiwenError('usage', `There are ${licences.length} licences for ${paths.length} paths.`, {
      remedy: 'Give --licence once, or once for each path.',
    });
  }
  return paths.map((path, i) => {
    const licence = licences.length === 1 ? licences[0] : licences[i];
    return { path, ...(licence !== undefined && { licence }) };
  });
}

function addField(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [from, to, ...more] = text.split('=');
  if (!from || !to || more.length > 0) throw new InvalidArgumentError('It must be FROM=TO, two names of fields.');
  return { ...before, [from]: to };
}

function share(text: string): number {
  const value = parseNumber(text);
  if (value !== undefined && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

function listOf<T extends string>(text: string, names: readonly T[]): T[] {
  return text.split(',').map((name) => {
    const known = names.find((other) => other === name.trim().toLowerCase());
    if (known === undefined) throw new InvalidArgumentError(`It must be some of ${names.join(', ')}.`);
    return known;
  });
}
