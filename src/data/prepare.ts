/**
 * From raw files to shards that a trainer reads, in two passes. The first looks at every record and decides: bad,
 * dropped, to be trained on or to be kept for validation. The second tokenises what stays, in the order of the files.
 * Both stream; what is remembered of a record between them is a byte and two hashes.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { EncodeOptions } from './encode.js';
import { type DataFile, listFiles, type SourceOptions } from './files.js';
import type { RawRecord } from './readers/record.js';
import type { ShapeOptions } from './shapes.js';
import { type ShardIndex, ShardWriter, type Source } from './shards.js';
import { chooseValidation } from './split.js';
import { openTextSide } from './text-side.js';
import { type EncodeCounts, Work } from './work.js';

export interface PrepareOptions extends ShapeOptions, EncodeOptions {
  sources: readonly (string | SourceOptions)[];
  /** Model folder, GGUF file or tokenizer.json: whose tokens and chat template. */
  model: string;
  /** The folder to write. */
  out: string;
  /** Replace what is at `out`. */
  force?: boolean;
  /** Share of the documents kept for validation, 0 to 0.5. Default 0.02. */
  validation?: number;
  /** Chooses which documents are kept for validation. Default 0. */
  seed?: number;
  /** Longer conversations are left out, longer texts cut. */
  maxTokens?: number;
  /** Stop at the first bad record. */
  strict?: boolean;
  /** Stop when more records than this are bad. Default 1000. */
  maxFaults?: number;
  shardTokens?: number;
  onProgress?: (progress: PrepareProgress) => void;
  signal?: AbortSignal;
}

export interface PrepareProgress {
  stage: 'reading' | 'tokenising';
  /** Bytes of the data files. */
  done: number;
  total: number;
}

export interface PrepareResult {
  train: ShardSummary;
  /** Absent where no document was kept for it. */
  validation?: ShardSummary;
  report: PrepareReport;
}

export interface ShardSummary extends Pick<ShardIndex, 'kind' | 'documents' | 'tokens' | 'learned' | 'hash'> {
  path: string;
}

export interface PrepareReport {
  records: number;
  kept: number;
  /** How many were dropped, for each reason. */
  dropped: Record<string, number>;
  faults: number;
  /** The first of them. */
  faultList: { file: string; line: number; fault: string }[];
  /** What the chat template did not write. */
  lost: EncodeCounts;
}

/** What becomes of a record. */
const TRAIN = 0;
const VALIDATION = 1;
const DROPPED = 2;

const FAULTS_LISTED = 100;
const BATCH_RECORDS = 256;
const BATCH_CHARS = 1 << 20;

/**
 * Writes `out/train` and, where documents were kept for it, `out/validation`.
 * @throws KaiwenError 'bad_input' if the data holds nothing or too many bad records, 'io', 'aborted', and what
 * opening the model throws
 */
export async function prepare(options: PrepareOptions): Promise<PrepareResult> {
  const sources = options.sources.map((source) => (typeof source === 'string' ? { path: source } : source));
  const files = listFiles(sources);
  const side = openTextSide(options.model);
  const { shape, fields, plain, loss, think, endToken, maxTokens } = options;
  const work = new Work({
    model: options.model,
    shapes: { shape, fields, plain },
    encode: { loss, think, endToken },
    maxTokens,
  });
  const report: PrepareReport = {
    records: 0,
    kept: 0,
    dropped: {},
    faults: 0,
    faultList: [],
    lost: { unlikePrompt: 0, lostThoughts: 0, lostCalls: 0, lostTools: 0 },
  };
  const blame = (file: DataFile, line: number, fault: string): void => {
    if (options.strict) throw badRecord(file, line, fault);
    report.faults++;
    if (report.faultList.length < FAULTS_LISTED) report.faultList.push({ file: file.path, line, fault });
    const { maxFaults = 1000 } = options;
    if (report.faults <= maxFaults) return;
    const first = report.faultList[0];
    throw new KaiwenError(
      'bad_input',
      `More than ${maxFaults} records are bad; the first: ${first.file}:${first.line}: ${first.fault}.`,
      { remedy: 'Run `kaiwen data validate` on it, or allow more with --max-bad.' },
    );
  };

  await makeFolder(options.out, options.force === true);
  const plan = await scan(files, sources, work, blame, report, options);
  const kind = kindOf(plan.kinds);
  const fate = chooseValidation(plan.questions, plan.fates, options.validation ?? 0.02, options.seed ?? 0);

  const layout = { kind, vocabSize: side.tokenizer.vocabSize, tokenizer: side.hash };
  const [trainFolder, validationFolder] = ['train', 'validation'].map((name) => join(options.out, name));
  const keepsSome = fate.includes(VALIDATION);
  await mkdir(trainFolder, { recursive: true });
  if (keepsSome) await mkdir(validationFolder, { recursive: true });
  const writers = [trainFolder, validationFolder].map(
    (folder) => new ShardWriter(folder, layout, [], options.shardTokens),
  );
  let at = 0;
  for await (const { file, records } of batches(files, 'tokenising', options)) {
    const fates = fate.subarray(at, at + records.length);
    const encoded = work.encode(
      records,
      Uint8Array.from(fates, (value) => Number(value < DROPPED)),
    );
    for (const { line, fault } of encoded.faults) blame(file, line, fault);
    if (encoded.tooLong > 0) count(report.dropped, 'longer than --max-tokens', encoded.tooLong);
    for (const name of Object.keys(report.lost) as (keyof EncodeCounts)[]) report.lost[name] += encoded.counts[name];
    let start = 0;
    for (const [i, end] of encoded.ends.entries()) {
      const record = encoded.records[i];
      const weights = encoded.weights.subarray(start, end);
      writers[fates[record]].add(encoded.ids.subarray(start, end), weights, plan.sourceOf[at + record]);
      start = end;
    }
    at += records.length;
    // Both at the same record, so that the work can go on from here.
    if (writers[TRAIN].full) for (const writer of writers) await writer.write();
  }
  const train = await writers[TRAIN].finish(plan.sources);
  const validation = keepsSome ? await writers[VALIDATION].finish(plan.sources) : undefined;
  if (train.documents === 0) throw nothing(report);
  report.kept = plan.fates.filter((value) => value < DROPPED).length;
  return {
    train: summary(trainFolder, train),
    ...(validation && { validation: summary(validationFolder, validation) }),
    report,
  };
}

interface Plan {
  fates: Uint8Array;
  questions: string[];
  sources: Source[];
  sourceOf: number[];
  kinds: Set<string>;
}

async function scan(
  files: readonly DataFile[],
  given: readonly SourceOptions[],
  work: Work,
  blame: (file: DataFile, line: number, fault: string) => void,
  report: PrepareReport,
  options: PrepareOptions,
): Promise<Plan> {
  const fates: number[] = [];
  const questions: string[] = [];
  const sourceOf: number[] = [];
  const kinds = new Set<string>();
  const sources = new SourceList();
  for await (const { file, records } of batches(files, 'reading', options)) {
    for (const { line, fault, kind, question, licence, source } of work.scan(records)) {
      report.records++;
      if (fault !== undefined) blame(file, line, fault);
      else kinds.add(kind!);
      const from = given[file.given];
      fates.push(fault === undefined ? TRAIN : DROPPED);
      questions.push(question ?? '');
      sourceOf.push(sources.index({ name: source ?? from.name ?? from.path, licence: licence ?? from.licence }));
    }
  }
  if (kinds.size === 0) throw nothing(report);
  return { fates: Uint8Array.from(fates), questions, sources: sources.list, sourceOf, kinds };
}

class SourceList {
  readonly list: Source[] = [];
  readonly #indexes = new Map<string, number>();

  index({ name, licence }: Source): number {
    const key = JSON.stringify([name, licence]);
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.list.push({ name, ...(licence !== undefined && { licence }) }) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }
}

/** The records of all files in order, some hundred at a time, never from two files at once. */
async function* batches(
  files: readonly DataFile[],
  stage: PrepareProgress['stage'],
  { onProgress, signal, fields = {} }: PrepareOptions,
): AsyncGenerator<{ file: DataFile; records: RawRecord[] }> {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  for (const file of files) {
    const progress = { bytes: 0 };
    let records: RawRecord[] = [];
    let chars = 0;
    for await (const record of file.read(file.path, progress, Object.keys(fields))) {
      records.push(record);
      chars += record.json?.length ?? 1000;
      if (records.length < BATCH_RECORDS && chars < BATCH_CHARS) continue;
      signal?.throwIfAborted();
      yield { file, records };
      onProgress?.({ stage, done: before + progress.bytes, total });
      records = [];
      chars = 0;
    }
    if (records.length > 0) yield { file, records };
    before += file.bytes;
    onProgress?.({ stage, done: before, total });
  }
}

function kindOf(kinds: ReadonlySet<string>): ShardIndex['kind'] {
  const pairs = kinds.has('pair') || kinds.has('plain-pair');
  if (pairs && [...kinds].some((kind) => !kind.endsWith('pair'))) {
    throw new KaiwenError('bad_input', 'The data mixes preference pairs with other examples.', {
      remedy: 'Prepare the pairs by themselves.',
    });
  }
  if (pairs) return 'pairs';
  return kinds.size === 1 && kinds.has('text') ? 'text' : 'chat';
}

async function makeFolder(out: string, force: boolean): Promise<void> {
  const names = await readdir(out).catch(() => []);
  if (names.length > 0 && !force) {
    throw new KaiwenError('bad_input', `${out} is not empty.`, {
      remedy: 'Choose another folder, or pass --force to replace what is in it.',
    });
  }
  for (const name of ['train', 'validation']) await rm(join(out, name), { recursive: true, force: true });
  await mkdir(out, { recursive: true });
}

function summary(path: string, { kind, documents, tokens, learned, hash }: ShardIndex): ShardSummary {
  return { path, kind, documents, tokens, learned, hash };
}

function count(counts: Record<string, number>, reason: string, by = 1): void {
  counts[reason] = (counts[reason] ?? 0) + by;
}

function badRecord(file: DataFile, line: number, fault: string): KaiwenError {
  return new KaiwenError('bad_input', `${file.path}:${line}: ${fault}.`, {
    remedy: 'Mend it, or leave out --strict to skip bad records.',
  });
}

function nothing({ faults, faultList: [first] }: PrepareReport): KaiwenError {
  const because = first ? ` ${faults} are bad; the first: ${first.file}:${first.line}: ${first.fault}.` : '';
  return new KaiwenError('bad_input', `The data holds no usable record.${because}`, {
    remedy: 'See `kaiwen help data` for the shapes that are read.',
  });
}
