/**
 * What comes out of a run: a model folder or an adapter with its lineage, called finished only when it answers in the
 * engine and as GGUF as it did in the trainer.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ShardReader } from '../data/shards.js';
import type { Json, JsonObject } from '../formats/checkpoint.js';
import { readText } from '../formats/file.js';
import { writeJson } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import type { Corpus } from './corpus.js';
import { writeAdapter, writeModelFolder } from './export.js';
import { RESULT_FILE } from './files.js';
import { type LineageBase, type LineageData, newLineage } from './lineage.js';
import type { TrainableModel } from './model.js';
import { checkParity, type ParityReport } from './parity.js';
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

/** Writes the model as it stands. Throws KaiwenError 'internal' where the result answers otherwise. */
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
  else await writeModelFolder(model, folder, options);
  const parity = await checkParity(model, folder, {
    ...{ threads, signal, tokenizer: text },
    ...(adapter && { base: config.model }),
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

/** The sources of a shard folder. How much each gave is known only where there is one. */
function dataOf({ index, hash, documents, tokens }: ShardReader): LineageData[] {
  const counts = index.sources.length === 1 ? { documents, tokens } : {};
  return index.sources.map(({ name, licence }) => ({ name, ...(licence && { licence }), hash, ...counts }));
}

function bestOf(best: { loss: number } | undefined): { [name: string]: Json } {
  return best ? { validationLoss: best.loss } : {};
}
