/**
 * From raw files to shards that a trainer reads, in two passes over the files: scan.ts decides what becomes of each
 * record, tokenise.ts writes those that stay. Both stream and are spread over worker threads; the result depends on
 * the files and settings alone. A run that was killed goes on where it stood.
 */
import { createHash } from 'node:crypto';
import { KaiwenError } from '../errors.js';
import { physicalCores } from '../generate/machine.js';
import { type Datasheet, datasheetOf, hashFile, type Part } from './datasheet.js';
import type { EncodeOptions } from './encode.js';
import { type DataFile, listFiles, type SourceOptions } from './files.js';
import { checkScripts, type FilterSettings } from './filters.js';
import { DataFolder } from './folder.js';
import type { MaskKind } from './mask.js';
import { startPool } from './pool.js';
import { type FaultLimits, nothingLeft, type Report } from './report.js';
import { type ScanOptions, scan } from './scan.js';
import type { ShapeOptions } from './shapes.js';
import { openTextSide } from './text-side.js';
import { tokenise } from './tokenise.js';
import type { WorkSettings } from './work.js';

/** How the data is read and judged; what `validate` and `prepare` share. */
export interface DataOptions extends ShapeOptions, FaultLimits {
  sources: readonly (string | SourceOptions)[];
  filters?: FilterSettings;
  /** Kinds of personal data that are masked. Default: none. */
  mask?: readonly MaskKind[];
  dedupe?: ScanOptions['dedupe'];
  similarity?: number;
  /** Default: physical cores; one for little data. */
  threads?: number;
  onProgress?: (progress: PrepareProgress) => void;
  signal?: AbortSignal;
}

export interface PrepareOptions extends DataOptions, EncodeOptions {
  /** Model folder, GGUF file or tokenizer.json: whose tokens and chat template. */
  model: string;
  /** The folder to write. */
  out: string;
  /** Replace what other settings or files left at `out`. */
  force?: boolean;
  /** Share of the documents kept for validation, 0 to 0.5. Default 0.02. */
  validation?: number;
  /** Chooses which documents are kept for validation. Default 0. */
  seed?: number;
  /** Longer conversations are left out, longer texts cut. */
  maxTokens?: number;
  /** A shard is written at so many tokens. */
  shardTokens?: number;
}

export interface PrepareProgress {
  stage: 'reading' | 'tokenising';
  /** Bytes of the data files. */
  done: number;
  total: number;
}

export interface PrepareResult {
  train: Part & { path: string };
  /** Absent where no document was kept for it. */
  validation?: Part & { path: string };
  report: Report;
  notices: string[];
  /** The data was prepared before, from the same files with the same settings. */
  reused: boolean;
}

/** Changes whenever the same files and settings give other shards. */
const VERSION = 1;
/** Below so many bytes starting threads takes longer than the work. */
const LITTLE = 2 << 20;

/**
 * Writes `out/train` and, where documents were kept for it, `out/validation`, both for ShardReader, and
 * `out/datasheet.json`. Where they are there already, from the same files and settings, nothing is done.
 * @throws KaiwenError 'bad_input' if the data holds nothing, too many bad records or `out` something else; 'io';
 * 'aborted', after which the same call goes on; and what opening the model throws
 */
export async function prepare(options: PrepareOptions): Promise<PrepareResult> {
  const { model, out, force = false, validation = 0.02, seed = 0, maxTokens, shardTokens, signal } = options;
  const { loss, think, endToken } = options;
  if (!(validation >= 0 && validation <= 0.5)) {
    throw new KaiwenError('bad_input', `The share for validation is ${validation}.`, { remedy: 'Give 0 to 0.5.' });
  }
  const { given, files, total } = filesOf(options);
  const side = openTextSide(model);
  const encode = { loss, think, endToken };
  const settings = { ...settingsOf(options), encode, maxTokens, validation, seed, shardTokens };
  const folder = new DataFolder(out, fingerprintOf(settings, given, files, side.hash));
  const state = await folder.open(force);
  if (state !== 'finished') {
    const work: WorkSettings = { ...workOf(options), model, encode, maxTokens, signQuestions: validation > 0 };
    await using pool = startPool(work, threadsOf(options, total), side);
    const progress = (stage: PrepareProgress['stage']) => (done: number) =>
      options.onProgress?.({ stage, done, total });
    const shared = { ...options, fields: Object.keys(options.fields ?? {}), signal };
    let plan = folder.readPlan();
    if (!plan) {
      plan = await scan(files, given, pool, { ...shared, validation, seed, onBytes: progress('reading') });
      if (Object.keys(plan.kinds).length === 0) throw nothingLeft(plan.report);
      await folder.writePlan(plan);
    }
    const layout = { kind: plan.kind, vocabSize: side.tokenizer.vocabSize, tokenizer: side.hash };
    const tokenised = await tokenise(files, plan, layout, folder, pool, {
      ...shared,
      shardTokens,
      onBytes: progress('tokenising'),
    });
    const hashes: string[] = [];
    for (const { path } of files) hashes.push(await hashFile(path));
    await folder.finish(datasheetOf(files, hashes, plan, tokenised, settings));
  }
  const { train, validation: held, report, notices } = folder.readDatasheet<Datasheet>();
  return {
    train: { path: folder.train, ...train },
    ...(held && { validation: { path: folder.validation, ...held } }),
    report,
    notices,
    reused: state === 'finished',
  };
}

export function filesOf({ sources, filters }: DataOptions): {
  given: SourceOptions[];
  files: DataFile[];
  total: number;
} {
  checkScripts(filters?.scripts ?? []);
  const given = sources.map((source) => (typeof source === 'string' ? { path: source } : source));
  const files = listFiles(given);
  return { given, files, total: files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function settingsOf({ shape, fields, plain, filters, mask, dedupe, similarity }: DataOptions): object {
  return { shapes: { shape, fields, plain }, filters, mask, dedupe, similarity };
}

export function workOf({ shape, fields, plain, filters = {}, mask = [], dedupe }: DataOptions): WorkSettings {
  return {
    shapes: { shape, fields, plain },
    filters,
    mask,
    encode: {},
    signDocuments: dedupe === 'near',
    signQuestions: false,
  };
}

export function threadsOf({ threads }: DataOptions, bytes: number): number {
  return threads ?? (bytes < LITTLE ? 1 : physicalCores());
}

function fingerprintOf(
  settings: object,
  given: readonly SourceOptions[],
  files: readonly DataFile[],
  side: string,
): string {
  const stamps = files.map(({ path, bytes, modified, given }) => [path, bytes, modified, given]);
  return createHash('sha256')
    .update(JSON.stringify([VERSION, settings, given, stamps, side]))
    .digest('hex');
}
