/**
 * The first pass: looks at every record and decides what becomes of it. What is remembered of a record is a byte, its
 * source, two hashes, and signatures of a few hundred bytes where near duplicates are looked for.
 */
import { KaiwenError } from '../errors.js';
import { type BatchOptions, readBatches } from './batches.js';
import type { DataFile, SourceOptions } from './files.js';
import { Growing } from './growing.js';
import { HashIndex } from './hash-index.js';
import { DOCUMENTS, NearIndex, QUESTIONS, Signer } from './minhash.js';
import { inOrder, type Pool } from './pool.js';
import { addCounts, blame, drop, emptyReport, type FaultLimits, type Report } from './report.js';
import type { ShardKind, Source } from './shards.js';
import { QuestionGroups } from './split.js';

/** What becomes of a record. */
export const TRAIN = 0;
export const VALIDATION = 1;
export const DROPPED = 2;

export interface Plan {
  /** TRAIN, VALIDATION or DROPPED for each record. */
  fates: Uint8Array;
  /** Index of each record's source. */
  sourceOf: Uint32Array;
  sources: Source[];
  /** Records in each file. */
  fileRecords: number[];
  kind: ShardKind;
  /** Good records of each kind, and their characters. */
  kinds: Record<string, number>;
  chars: number;
  report: Report;
}

export interface ScanOptions extends FaultLimits, BatchOptions {
  /** 'exact' (default): the same example twice is dropped; 'near': similar ones too. */
  dedupe?: 'none' | 'exact' | 'near';
  /** Similarity from which documents are near duplicates, 0 to 1. Default 0.8. */
  similarity?: number;
  /** Share of the documents that are kept for validation. */
  validation: number;
  seed: number;
  onBytes?: (bytes: number) => void;
}

/** Names of sources beyond this many are not told apart; the source that was given stands for them. */
const MOST_SOURCES = 65_536;

export async function scan(
  files: readonly DataFile[],
  given: readonly SourceOptions[],
  pool: Pool,
  options: ScanOptions,
): Promise<Plan> {
  const { dedupe = 'exact', similarity = 0.8, validation, seed, onBytes } = options;
  const report = emptyReport();
  const fates = new Growing(Uint8Array);
  const sourceOf = new Growing(Uint32Array);
  const questionOf = new Growing(Int32Array);
  const sources = new SourceList();
  const groups = new QuestionGroups();
  const exact = new HashIndex();
  const near = new NearIndex(DOCUMENTS, similarity);
  const fileRecords = files.map(() => 0);
  const kinds: Record<string, number> = {};
  let chars = 0;
  const [documentWords, questionWords] = [DOCUMENTS, QUESTIONS].map((settings) => new Signer(settings).words);

  for await (const [{ file, bytes }, batch] of inOrder(readBatches(files, options), pool.width, ({ records }) =>
    pool.scan(records),
  )) {
    const from = given[files[file].given];
    fileRecords[file] += batch.records.length;
    addCounts(report.masked, batch.masked);
    for (const [i, record] of batch.records.entries()) {
      report.records++;
      const pair = (array: Uint32Array): [number, number] => [array[2 * i], array[2 * i + 1]];
      let reason: string | undefined = record.dropped;
      if (record.fault !== undefined) {
        blame(report, files[file], record.line, record.fault, options);
        reason = '';
      } else {
        kinds[record.kind!] = (kinds[record.kind!] ?? 0) + 1;
        chars += record.chars!;
        if (!reason && dedupe !== 'none') {
          const known = exact.size;
          if (exact.add(...pair(batch.keys)) < known) reason = 'duplicate';
        }
        if (!reason && dedupe === 'near') {
          const signature = batch.documentSigns.subarray(i * documentWords, (i + 1) * documentWords);
          if (near.find(signature, true).length > 0) reason = 'near duplicate';
          else near.add(signature);
        }
        if (reason) drop(report, reason);
      }
      const signature = batch.questionSigns.subarray(i * questionWords, (i + 1) * questionWords);
      const question = groupOf(groups, pair(batch.questions), signature, reason === undefined);
      questionOf.push(question);
      fates.push(reason === undefined ? TRAIN : DROPPED);
      sourceOf.push(sources.index(from, record));
    }
    onBytes?.(bytes);
  }
  const fate = fates.view.slice();
  for (const [i, held] of groups.choose(questionOf.view, validation, seed).entries()) if (held) fate[i] = VALIDATION;
  return {
    fates: fate,
    sourceOf: sourceOf.view,
    sources: sources.list,
    fileRecords,
    kind: kindOf(kinds),
    kinds,
    chars,
    report,
  };
}

function groupOf(groups: QuestionGroups, hash: [number, number], signature: Uint32Array, kept: boolean): number {
  return kept ? groups.add(...hash, signature.length > 0 ? signature : undefined) : -1;
}

class SourceList {
  readonly list: Source[] = [];
  readonly #indexes = new Map<string, number>();

  index(given: SourceOptions, { source, licence }: { source?: string; licence?: string }): number {
    const full = this.list.length >= MOST_SOURCES;
    const name = (full ? undefined : source) ?? given.name ?? given.path;
    const under = (full ? undefined : licence) ?? given.licence;
    const key = JSON.stringify([name, under]);
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const index = this.list.push({ name, ...(under !== undefined && { licence: under }) }) - 1;
    this.#indexes.set(key, index);
    return index;
  }
}

function kindOf(kinds: Readonly<Record<string, number>>): ShardKind {
  const names = Object.keys(kinds);
  const pairs = names.filter((name) => name.endsWith('pair'));
  if (pairs.length === 0) return names.length === 1 && names[0] === 'text' ? 'text' : 'chat';
  if (pairs.length === names.length) return 'pairs';
  throw new KaiwenError('bad_input', 'The data mixes preference pairs with other examples.', {
    remedy: 'Prepare the pairs by themselves.',
  });
}
