/** Options that commands share, with their validation, and loading a model under a progress bar. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LoadOptions, Model } from '../generate/api.js';
import type { AdapterSource, Engine, EngineOptions } from '../generate/engine.js';
import { parseNumber, parseSetting, SETTINGS, type SettingKey, type SettingValues } from './settings.js';
import { startProgress } from './terminal.js';

/** What commander hands to an action after `addEngineOptions`. */
export interface EngineFlags {
  threads?: number;
  context?: number;
  kv?: EngineOptions['kv'];
  /** Where a command has it. */
  adapter?: AdapterSource[];
  /** False for --no-speculation, where a command has it. */
  speculation?: boolean;
}

/** What commander hands to an action after `addSamplingOptions`. */
export interface SamplingFlags extends SettingValues {
  greedy?: boolean;
  stop?: string[];
}

/** A parser for commander: a whole number of at least `from` and at most `to`. */
export function wholeNumber(from: number, to = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = parseNumber(text);
    if (value !== undefined && Number.isSafeInteger(value) && value >= from && value <= to) return value;
    const upTo = to === Number.MAX_SAFE_INTEGER ? '' : ` to ${to}`;
    throw new InvalidArgumentError(`It must be a whole number from ${from}${upTo}.`);
  };
}

/** Adds `--threads`, `--context` and `--kv`. */
export function addEngineOptions(command: Command, defaults: { kv?: EngineOptions['kv'] } = {}): Command {
  const kv = new Option('--kv <type>', 'element type of the KV cache; int8 takes half the memory of f16').choices([
    'f16',
    'f32',
    'int8',
  ]);
  return command
    .option('--threads <n>', 'threads that compute (default: physical cores)', wholeNumber(1, 256))
    .option('--context <n>', "tokens of context (default: the model's, at most 8192)", wholeNumber(1, 1 << 24))
    .addOption(kv.default(defaults.kv ?? 'f16'));
}

/** Adds `--no-speculation`, for commands that generate. */
export function addSpeculationOption(command: Command): Command {
  return command.option('--no-speculation', 'compute every token by itself: same answers, for comparing speed');
}

/** Adds `--adapter`, for commands that generate. */
export function addAdapterOption(command: Command, help: string): Command {
  return command.option('--adapter <path>', help, (text, before: AdapterSource[] = []) => [
    ...before,
    adapterSource(text),
  ]);
}

/** `path`, or `name=path`; without a name it is the last part of the path. */
export function adapterSource(text: string): AdapterSource {
  const named = existsSync(text) ? undefined : /^([^=/\\]+)=(.+)$/s.exec(text);
  const path = named ? named[2] : text;
  const name = named ? named[1] : basename(resolve(path)).replace(/\.safetensors$/, '');
  if (text === '' || name === '') throw new InvalidArgumentError('It must be a path, or name=path.');
  return { name, path };
}

/** Adds one option for each sampling setting, `--greedy` and `--stop`. */
export function addSamplingOptions(command: Command): Command {
  for (const setting of SETTINGS) {
    command.option(`--${setting.name} <n>`, setting.help, (text) => {
      const value = parseSetting(setting, text);
      if (value === undefined) throw new InvalidArgumentError(`It must be ${setting.range}.`);
      return value;
    });
  }
  return command
    .addOption(new Option('--greedy', 'always the most likely token: temperature 0').conflicts('temperature'))
    .option('--stop <text>', 'end the answer before this text; may be given again', collect);
}

/** The sampling settings that the user gave; the model's defaults fill in the rest. */
export function samplingFrom(flags: SamplingFlags): SettingValues & { stop?: string[] } {
  const given: SettingValues & { stop?: string[] } = {};
  for (const { key } of SETTINGS) {
    const value = flags[key satisfies SettingKey];
    if (value !== undefined) given[key] = value;
  }
  if (flags.greedy) given.temperature = 0;
  if (flags.stop) given.stop = flags.stop;
  return given;
}

function collect(text: string, before: string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return [...before, text];
}

/** Loads a model, with a progress bar on a terminal if it takes a while. The caller closes it. */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const { load } = await import('../generate/load.js');
  return withProgress(path, options, load);
}

/** The same without tokenizer and chat template: token ids in, numbers out. */
export async function loadEngine(path: string, options: EngineOptions = {}): Promise<Engine> {
  const { startEngine } = await import('../generate/engine-client.js');
  return withProgress(path, options, startEngine);
}

async function withProgress<T, O extends EngineOptions>(
  path: string,
  options: O,
  load: (path: string, options: O) => Promise<T>,
): Promise<T> {
  const progress = startProgress(`loading ${path}`);
  try {
    return await load(path, {
      ...options,
      onProgress: ({ loadedBytes, totalBytes }) => progress.update(loadedBytes, totalBytes),
    });
  } finally {
    progress.end();
  }
}

/** The engine's part of a command's options. */
export function engineFrom({ threads, context, kv, speculation, adapter }: EngineFlags): EngineOptions {
  return { threads, context, kv, speculate: speculation, adapters: adapter };
}
