/**
 * What comes out of a run: a model folder or an adapter with its lineage, called finished only when it answers in the
 * engine and as GGUF as it did in the trainer.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ShardReader } from '../data/shards.js';
import { KaiwenError } from '../errors.js';
import type { Json, JsonObject } from '../formats/checkpoint.js';
import { readText } from '../formats/file.js';
import { openCheckpoint } from '../formats/open.js';
import { writeJson } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import type { Corpus } from './corpus.js';
import { writeAdapter, writeModelFolder } from './export.js';
import { RESULT_FILE } from './files.js';
import { type LineageBase, type LineageData, newLineage } from './lineage.js';
import type { TrainableModel } from './model.js';
import { checkParity, type ParityReport } from './parity.js';
import { readValues } from './read-weights.js';
import type { Outcome } from './trainer.js';

export interface ResultParts {
  config: TrainConfig;
  /** Settings with all defaults decided. */
  settings: Record<string, unknown>;
  base?: LineageBase;
  /** Path whose tokenizer, template and licence the result takes over. */
  text: string;
  threads: number;
  signal?: AbortSignal;
}

export interface RunResultFiles {
  /** The folder that was written. */
  folder: string;
  /** The step whose weights it holds. */
  step: number;
  parity: ParityReport;
}

/**
 * Writes the model as it stands; its weights are those that were written afterwards. Throws KaiwenError 'internal' where
 * the result answers otherwise.
 */
export async function writeResult(
  model: TrainableModel,
  corpus: Corpus,
  { state }: Outcome,
  { config, settings, base, text, threads, signal }: ResultParts,
): Promise<RunResultFiles> {
  const adapter = config.tuning === 'lora' || config.tuning === 'qlora';
  const folder = join(config.out, adapter ? 'adapter' : 'model');
  const step = state.best?.step ?? state.step;
  const lineage = newLineage({
    ...{ method: adapter ? `${config.method} (${config.tuning})` : config.method, base, seed: config.seed },
    data: corpus.readers.flatMap(dataOf),
    settings: JSON.parse(JSON.stringify(settings)) as JsonObject,
    results: { step, tokens: Math.round(state.tokens), seconds: Math.round(state.seconds), ...bestOf(state.best) },
  });
  const options = { tokenizer: text, lineage, force: true, signal };
  if (adapter) await writeAdapter(model, folder, { ...options, base: config.model! });
  else {
    await writeModelFolder(model, folder, options);
    takeOver(model, folder);
  }
  const parity = await checkParity(model, folder, {
    ...{ threads, signal, tokenizer: text },
    ...(adapter ? { base: config.model } : { exact: true }),
  });
  const files = { folder, step, parity };
  await writeJson(join(config.out, RESULT_FILE), files);
  return files;
}

/** What an earlier process wrote of the same state, if it came that far. */
export function findResult(out: string, { state }: Outcome): RunResultFiles | undefined {
  const text = readText(join(out, RESULT_FILE));
  if (text === undefined) return undefined;
  const files = JSON.parse(text) as RunResultFiles;
  return files.step === (state.best?.step ?? state.step) && existsSync(files.folder) ? files : undefined;
}

/** Half a unit in the last place of bfloat16, and as much again for numbers near zero. */
const ROUNDING = 2 ** -8;
const SMALLEST = 2 ** -126;

/**
 * Puts what was written in the place of what was trained, each number checked to be its rounding: what is compared
 * afterwards differs by no rounding, which young models would magnify beyond any sensible tolerance.
 */
function takeOver(model: TrainableModel, folder: string): void {
  using checkpoint = openCheckpoint(folder, { vocabulary: false });
  for (const parameter of model.parameters) {
    const tensor = checkpoint.tensors.get(parameter.name);
    const written = tensor ? readValues(checkpoint, tensor) : new Float32Array();
    const values = model.get(parameter);
    const near = (value: number, i: number) => Math.abs(value - values[i]) <= ROUNDING * Math.abs(values[i]) + SMALLEST;
    if (written.length !== values.length || !written.every(near)) {
      throw new KaiwenError('internal', `${folder}: "${parameter.name}" was not written as it was trained.`, {
        remedy: 'Do not use it; keep the checkpoint and report this.',
      });
    }
    values.set(written);
  }
}

/** The sources of a shard folder. How much each gave is known only where there is one. */
function dataOf({ index, hash, documents, tokens }: ShardReader): LineageData[] {
  const counts = index.sources.length === 1 ? { documents, tokens } : {};
  return index.sources.map(({ name, licence }) => ({ name, ...(licence && { licence }), hash, ...counts }));
}

function bestOf(best: { loss: number } | undefined): { [name: string]: Json } {
  return best ? { validationLoss: best.loss } : {};
}
