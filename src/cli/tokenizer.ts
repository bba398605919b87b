/** `kaiwen tokenizer`: train a tokenizer from nothing, or extend one that exists. */
import { Command, Option } from 'commander';
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { checkTarget, replaceTarget } from '../formats/output.js';
import { PATTERNS, type PatternName } from '../tokenizer/pretokenize.js';
import { extendTokenizer } from '../tokenizer/train/extend.js';
import { openTokenizerFiles, writeTokenizer } from '../tokenizer/train/files.js';
import { QWEN_CONTROL_TOKENS } from '../tokenizer/train/qwen-template.js';
import { type ReadOptions, readTexts } from '../tokenizer/train/read-texts.js';
import { type CorpusReport, trainTokenizer } from '../tokenizer/train/train.js';
import { readText } from './files.js';
import { wholeNumber } from './options.js';
import { colorsFor, formatCount, type Progress, startProgress } from './terminal.js';

interface CorpusFlags {
  out: string;
  field?: string[];
  format?: ReadOptions['format'];
  control?: string[];
  minFrequency: number;
  memory: number;
  force?: boolean;
}

interface TrainFlags extends CorpusFlags {
  vocabSize: number;
  pattern: PatternName;
  chatTemplate?: string;
}

interface ExtendFlags extends CorpusFlags {
  add: number;
}

const MAX_TEMPLATE_BYTES = 1 << 20;

export function tokenizerCommand(): Command {
  return new Command('tokenizer')
    .description('Make the vocabulary of a model: byte-level BPE, cut as Qwen cuts it.')
    .addCommand(trainCommand())
    .addCommand(extendCommand())
    .addHelpText(
      'after',
      `
Examples:
  kaiwen tokenizer train texts.txt --vocab-size 8192 --out my-tokenizer
  kaiwen tokenizer extend Qwen3-0.6B medical.txt --add 2000 --out wider
  kaiwen tokenizer train --help`,
    );
}

function trainCommand(): Command {
  const command = new Command('train')
    .summary('learn a vocabulary from texts')
    .description('Learn a vocabulary from texts and write tokenizer.json and tokenizer_config.json.')
    .argument('<files...>', 'text, or .jsonl with text in its fields; - for standard input')
    .requiredOption(
      '--vocab-size <n>',
      'ids in all: 256 bytes, learned tokens, control tokens',
      wholeNumber(256, 1 << 22),
    )
    .addOption(
      new Option('--pattern <name>', 'how text is cut into pieces')
        .choices(Object.keys(PATTERNS))
        .default('qwen2' satisfies PatternName),
    )
    .option('--chat-template <file>', "Jinja template (default: Qwen's format, with tools and thinking)");
  return addCorpusOptions(command, 'a control token besides those of Qwen; may be given again')
    .addHelpText(
      'after',
      `
Control tokens: ${QWEN_CONTROL_TOKENS.map(({ content }) => content).join(' ')}

Examples:
  kaiwen tokenizer train texts.txt --vocab-size 8192 --out my-tokenizer
  kaiwen tokenizer train chats.jsonl --field content --vocab-size 4096 --out my-tokenizer
  zcat dump.txt.gz | kaiwen tokenizer train - --vocab-size 32000 --out my-tokenizer`,
    )
    .action(train);
}

function extendCommand(): Command {
  const command = new Command('extend')
    .summary('add tokens to a vocabulary')
    .description('Learn further tokens from texts, and add control tokens, behind the ids that there are.')
    .argument('<tokenizer>', 'model folder, GGUF file, tokenizer.json or .tiktoken file')
    .argument('[files...]', 'text, or .jsonl with text in its fields; - for standard input')
    .option('--add <n>', 'tokens to learn', wholeNumber(0, 1 << 22), 0);
  return addCorpusOptions(command, 'a new control token; may be given again')
    .addHelpText(
      'after',
      `
Existing ids keep their meaning. A model needs a row of its embedding for every id, so it must be trained on with
the new vocabulary before the new tokens mean anything.

Examples:
  kaiwen tokenizer extend Qwen3-0.6B medical.txt --add 2000 --out wider
  kaiwen tokenizer extend tokenizer.json --control "<|product|>" --control "<|price|>" --out wider`,
    )
    .action(extend);
}

function addCorpusOptions(command: Command, control: string): Command {
  const collect = (value: string, before: string[] = []) => [...before, value];
  return command
    .requiredOption('--out <folder>', 'a new folder for the two files')
    .option('--control <token>', control, collect)
    .option('--field <name>', 'field of a JSONL record whose strings are text; may be given again', collect)
    .addOption(
      new Option('--format <format>', 'read every file as this (default: by its ending)').choices(['text', 'jsonl']),
    )
    .option('--min-frequency <n>', 'leave pairs alone that occur less often', wholeNumber(1), 2)
    .option('--memory <MiB>', 'memory to learn in; rare pieces beyond it are given up', wholeNumber(16, 1 << 20), 1024)
    .option('--force', 'replace the folder if it exists');
}

async function train(files: string[], flags: TrainFlags): Promise<void> {
  await checkTarget(flags.out, flags.force ?? false);
  const template = flags.chatTemplate && (await readText(flags.chatTemplate, MAX_TEMPLATE_BYTES));
  const control = [...QWEN_CONTROL_TOKENS, ...(flags.control ?? []).map((content) => ({ content, special: true }))];
  const bars = new Bars();
  const { vocabSize, pattern } = flags;
  const options = { vocabSize, pattern, control, ...(template && { template }), ...corpusOptions(flags, bars) };
  const result = await bars.around(() => trainTokenizer(options, (texts) => read(files, flags, bars, texts)));
  await write(flags, result.tokenizer, result.config);
  tell(flags.out, result.vocabSize, result.report, vocabSize - 256 - control.length);
}

async function extend(source: string, files: string[], flags: ExtendFlags): Promise<void> {
  await checkTarget(flags.out, flags.force ?? false);
  if (flags.add > 0 !== files.length > 0) {
    throw new KaiwenError('usage', flags.add > 0 ? 'There is no text to learn from.' : 'Nothing is to be learned.', {
      remedy: 'Give files and --add together.',
    });
  }
  const { json, file, config, rows } = openTokenizerFiles(source);
  const control = (flags.control ?? []).map((content) => ({ content, special: true }));
  const bars = new Bars();
  const options = { add: flags.add, control, ...corpusOptions(flags, bars) };
  const result = await bars.around(() =>
    extendTokenizer(json, file, config, options, (texts) => read(files, flags, bars, texts)),
  );
  await write(flags, result.tokenizer, config);
  tell(flags.out, result.vocabSize, result.report, flags.add);
  if (rows !== undefined && rows < result.vocabSize) {
    const { yellow } = colorsFor(process.stderr);
    console.error(yellow(`The embedding of ${source} has ${rows} rows: it needs ${result.vocabSize - rows} more.`));
  }
}

function corpusOptions({ minFrequency, memory }: CorpusFlags, bars: Bars) {
  return {
    minFrequency,
    memory: memory * 2 ** 20,
    onProgress: (learned: number, total: number) => bars.show('learning', learned, total),
  };
}

function read(
  files: string[],
  { format, field: fields }: CorpusFlags,
  bars: Bars,
  texts: Parameters<typeof readTexts>[2],
) {
  const onProgress = (done: number, total: number) => bars.show('reading', done, total);
  return readTexts(files, { format, fields, onProgress }, texts);
}

function write({ out, force }: CorpusFlags, tokenizer: string, config: JsonObject): Promise<void> {
  return replaceTarget(out, { force, bytes: tokenizer.length }, (folder) => writeTokenizer(folder, tokenizer, config));
}

function tell(out: string, vocabSize: number, { pieces, rarest, learned }: CorpusReport, wanted: number): void {
  const { dim, yellow } = colorsFor(process.stderr);
  console.error(`${out}: ${vocabSize} ids ${dim(`(${learned} learned from ${formatCount(pieces)} distinct pieces)`)}`);
  if (rarest > 0) {
    const notice = `Pieces seen up to ${rarest} times were given up for want of memory; --memory allows more.`;
    console.error(yellow(notice));
  }
  if (learned < wanted)
    console.error(yellow(`The texts hold no more pairs than that: ${wanted - learned} are missing.`));
}

/** One bar after the other. */
class Bars {
  #label = '';
  #bar: Progress | undefined;

  show(label: string, done: number, total: number): void {
    if (label !== this.#label) {
      this.#bar?.end();
      this.#bar = startProgress(label);
      this.#label = label;
    }
    this.#bar?.update(done, total);
  }

  async around<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.#bar?.end();
    }
  }
}
