/**
 * The data of a run: shards as they are, or raw files, which are prepared once into the run's folder and found there
 * when the run goes on.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { listFiles } from '../data/files.js';
import { type PrepareProgress, prepare } from '../data/prepare.js';
import { isShardFolder } from '../data/shards.js';
import type { TextSide } from '../data/text-side.js';
import { KaiwenError } from '../errors.js';
import { exists, readText } from '../formats/file.js';
import { writeJson } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import { Corpus } from './corpus.js';

export interface RunData extends Disposable {
  train: Corpus;
  validation?: Corpus;
}

export interface DataOptions {
  /** Path of the model or tokenizer whose tokens are wanted, and what it holds. */
  text: string;
  side: TextSide;
  onProgress?: (progress: PrepareProgress) => void;
  notice?: (text: string) => void;
  signal?: AbortSignal;
}

interface Folders {
  train: string[];
  validation: string[];
}

/**
 * Opens training and validation data.
 * Throws KaiwenError: what `prepare` and ShardReader throw, 'bad_input' if shards were made for another tokenizer or method.
 */
export async function openData(config: TrainConfig, options: DataOptions): Promise<RunData> {
  const folders = await locate(config, options);
  const train = new Corpus(folders.train);
  let validation: Corpus | undefined;
  try {
    if (folders.validation.length > 0) validation = new Corpus(folders.validation);
    for (const corpus of [train, validation]) if (corpus) check(corpus, config, options);
  } catch (error) {
    train[Symbol.dispose]();
    validation?.[Symbol.dispose]();
    throw error;
  }
  return {
    train,
    validation,
    [Symbol.dispose]() {
      train[Symbol.dispose]();
      validation?.[Symbol.dispose]();
    },
  };
}

async function locate(config: TrainConfig, options: DataOptions): Promise<Folders> {
  const paths = typeof config.data === 'string' ? [config.data] : config.data;
  const found: Folders = { train: [], validation: [] };
  const raw: string[] = [];
  for (const path of paths) {
    if (isShardFolder(path)) found.train.push(path);
    else if (isShardFolder(join(path, 'train'))) {
      found.train.push(join(path, 'train'));
      if (isShardFolder(join(path, 'validation'))) found.validation.push(join(path, 'validation'));
    } else raw.push(path);
  }
  const given = config.validation?.data;
  if (raw.length > 0) {
    const share = given === undefined ? (config.validation?.share ?? 0.02) : 0;
    const made = await prepared(raw, join(config.out, 'data'), share, config, options);
    found.train.push(...made.train);
    found.validation.push(...made.validation);
  }
  if (given !== undefined) {
    const shards = isShardFolder(given) ? given : undefined;
    found.validation = shards
      ? [shards]
      : (await prepared([given], join(config.out, 'validation'), 0, config, options)).train;
  }
  return found;
}

async function prepared(
  paths: readonly string[],
  out: string,
  validation: number,
  config: TrainConfig,
  { text, side, onProgress, notice, signal }: DataOptions,
): Promise<Folders> {
  const { seed, preparation = {} } = config;
  const files = listFiles(paths.map((path) => ({ path }))).map(({ path, bytes, modified }) => ({
    path,
    bytes,
    modified,
  }));
  const asked = { files, preparation, validation, seed, tokenizer: side.hash };
  const key = createHash('sha256').update(JSON.stringify(asked)).digest('hex');
  const marker = join(out, 'prepared.json');
  const folders = [join(out, 'train'), join(out, 'validation')];
  if (!exists(marker) || (JSON.parse(readText(marker)!) as { key: string }).key !== key) {
    const { end_token: endToken, max_tokens: maxTokens, max_faults: maxFaults, ...rest } = preparation;
    const { report, notices } = await prepare({
      ...{ sources: paths, model: text, out, force: true, validation, seed, endToken, maxTokens, maxFaults, ...rest },
      ...{ onProgress, signal },
    });
    if (report.faults > 0) {
      const [{ file, line, fault }] = report.faultList;
      notice?.(`${report.faults} of ${report.records} records are bad and left out; ${file}:${line}: ${fault}.`);
    }
    for (const text of notices) notice?.(text);
    await writeJson(marker, { key });
  }
  return { train: [folders[0]], validation: isShardFolder(folders[1]) ? [folders[1]] : [] };
}

function check(corpus: Corpus, { method }: TrainConfig, { text, side }: DataOptions): void {
  const [folder] = corpus.folders;
  if ((corpus.kind === 'pairs') !== (method === 'dpo')) {
    const holds = corpus.kind === 'pairs' ? 'preference pairs' : 'no preference pairs';
    throw new KaiwenError('bad_input', `${folder}: it holds ${holds}, and the method is ${method}.`, {
      remedy: 'Pairs (chosen and rejected) are for dpo, everything else for the other methods.',
    });
  }
  const other = corpus.readers.findIndex(({ index }) => index.tokenizer !== side.hash);
  if (other < 0) return;
  throw new KaiwenError('bad_input', `${corpus.folders[other]}: prepared with another tokenizer or chat template.`, {
    remedy: `Prepare it again with --model ${text}.`,
  });
}
