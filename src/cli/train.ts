/** `kaiwen train`: settings from a file and flags, a run, and what it looks like from a terminal. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parse } from 'yaml';
import { KaiwenError } from '../errors.js';
import { METHODS, type TrainConfig } from '../train/config.js';
import { type FlagSetting, readConfig } from '../train/config-file.js';
import { SETTINGS_FILE } from '../train/files.js';
import { JsonView, TextView, type View } from '../train/live.js';
import { colorsFor, startProgress } from './terminal.js';

/** Flags that set a key of the file: [key, placeholder, help]. */
const SETTINGS = [
  ['out', 'folder', 'folder of the run'],
  ['model', 'path', 'checkpoint to start from'],
  ['depth', 'n', 'layers of a new model; sets width, heads, learning rate, batch and steps'],
  ['tokenizer', 'path', 'tokenizer of a new model'],
  ['context', 'n', 'longest sequence in tokens'],
  ['batch-tokens', 'n', 'tokens of a step'],
  ['accumulate', 'n', 'parts in which a step is computed'],
  ['steps', 'n', 'steps of the run'],
  ['epochs', 'n', 'times that the data are seen'],
  ['learning-rate', 'x', 'highest learning rate'],
  ['seed', 'n', 'same seed, same losses'],
  ['threads', 'n', 'threads that compute (default: physical cores)'],
] as const;

interface Flags extends Record<string, unknown> {
  method?: string;
  data?: string[];
  tuning?: string;
  set?: [string, unknown][];
  fresh?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function trainCommand(): Command {
  const command = new Command('train')
    .description(
      'Train a model: from nothing, or from one that is there. The same command goes on with a run that stopped.',
    )
    .argument('[config]', 'YAML file with settings, or the folder of a run to go on with; flags win over it')
    .addOption(new Option('--method <name>', 'what is done').choices(METHODS))
    .option(
      '--data <path>',
      'file, folder or prepared shards; may be given again',
      (path: string, before: string[] = []) => [...before, path],
    )
    .addOption(
      new Option('--tuning <kind>', 'what is trained of an existing model').choices(['full', 'lora', 'qlora']),
    );
  for (const [name, placeholder, help] of SETTINGS) command.option(`--${name} <${placeholder}>`, help, parseValue);
  return command
    .option('--set <key=value>', 'any setting of the file, such as lora.rank=16; may be given again', parsePair)
    .option('--fresh', 'start over: throw away what an earlier run left in the folder')
    .option('--dry-run', 'predict memory, time and steps, and stop')
    .option('--json', 'print one JSON object a line: prediction, steps, validations, samples')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
Methods:
  pretrain   a new model from text: --depth and --tokenizer
  continue   more text for an existing model
  sft        conversations or instructions; loss on the answers
  dpo        pairs of a chosen and a rejected answer
  distill    learn from a larger model with the same vocabulary (distill.teacher)

A configuration file:
  method: sft
  model: models/glossary
  data: questions.jsonl
  out: runs/shop
  tuning: lora               # full, lora or qlora
  lora: { rank: 8 }          # alpha, dropout, rslora, dora, targets
  epochs: 3
  learning_rate: 5.0e-4      # schedule (cosine, linear, wsd, constant), warmup, floor, decay
  optimizer: adamw           # or muon; betas, epsilon, weight_decay, clip
  context: 512               # batch_tokens, accumulate, recompute
  validation: { share: 0.05, patience: 3 }
  samples: { prompts: ["Do you ship abroad?"] }
  checkpoint: { minutes: 5, keep: 2 }

Everything lies in the folder OUT: metrics.jsonl, report.html, checkpoints/, and the result. Ctrl-C writes a checkpoint
and ends with code 130; after that, or a crash, the same command goes on with the same losses as if nothing had been.

Examples:
  kaiwen train run.yaml
  kaiwen train --method pretrain --depth 4 --tokenizer tok --data corpus.jsonl --out runs/first
  kaiwen train --method sft --model Qwen3-0.6B --tuning qlora --data qa.jsonl --out runs/qa --dry-run
  kaiwen train run.yaml --learning-rate 1e-3 --set lora.rank=16 --fresh
  kaiwen train runs/first                                          go on`;

async function run(path: string | undefined, flags: Flags): Promise<void> {
  const config = readSettings(path, flags);
  const { train } = await import('../train/run.js');
  const { measurePeak } = await import('../train/peak.js');
  const { physicalCores } = await import('../generate/machine.js');
  const peak = () => measurePeak(config.threads ?? physicalCores());
  const view: View = flags.json
    ? new JsonView(process.stdout)
    : new TextView({
        out: process.stdout,
        peak,
        folder: config.out,
        model: config.model,
        dim: colorsFor(process.stdout).dim,
      });
  const interrupted = new AbortController();
  const interrupt = (): void => {
    if (interrupted.signal.aborted) process.exit(130);
    view.notice('Stopping after this batch; once more to stop at once.');
    interrupted.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const progress = startProgress('preparing the data');
  try {
    const result = await train(config, {
      ...{ fresh: flags.fresh, dryRun: flags.dryRun, signal: interrupted.signal },
      events: {
        stage: (text) => view.stage(text),
        dataProgress: ({ done, total }) => progress.update(done, total),
        predicted(prediction, plan) {
          progress.end();
          view.predicted(prediction, plan);
        },
        record: (record) => view.record(record),
        notice: (text) => view.notice(text),
      },
    });
    view.done(result);
    if (result.outcome?.ended === 'interrupted') throw new KaiwenError('aborted', 'Training was interrupted.');
  } catch (error) {
    // What was under way when Ctrl-C came may have failed in its own way.
    if (interrupted.signal.aborted) throw new KaiwenError('aborted', 'Training was interrupted.', { cause: error });
    throw error;
  } finally {
    progress.end();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** The settings of a file, of a run's folder, or of flags alone. */
function readSettings(path: string | undefined, flags: Flags): TrainConfig {
  const given: FlagSetting[] = [];
  const add = (flag: string, key: string, value: unknown): void => {
    if (value !== undefined) given.push({ flag, path: key.split('.'), value });
  };
  for (const [name] of SETTINGS) add(`--${name}`, name.replaceAll('-', '_'), flags[camel(name)]);
  add('--method', 'method', flags.method);
  add('--data', 'data', flags.data);
  add('--tuning', 'tuning', flags.tuning);
  for (const [key, value] of flags.set ?? []) add('--set', key, value);
  if (path === undefined && given.length === 0) {
    throw new KaiwenError('usage', 'There is nothing to train.', {
      remedy: 'Give a configuration file, or --method, --data and --out; see --help.',
    });
  }
  if (path === undefined || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) return readConfig(path, given);
  // The folder may have been moved since.
  if (flags.out === undefined) add(path, 'out', path);
  return readConfig(join(path, SETTINGS_FILE), given);
}

function camel(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** As YAML reads it: 5 is a number, 1e-3 too. */
function parseValue(text: string): unknown {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : text;
}

function parsePair(text: string, before: [string, unknown][] = []): [string, unknown][] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be key=value, such as lora.rank=16.');
  const value = text.slice(at + 1);
  const number = parseValue(value);
  return [...before, [text.slice(0, at).replaceAll('-', '_'), typeof number === 'number' ? number : parse(value)]];
}
