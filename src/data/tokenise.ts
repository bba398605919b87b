/**
 * The second pass: token ids of the records that stay, in the order of the files, into shards. Whenever a shard of
 * the training part is full, both parts are written and the place is noted, so that a later run goes on from there
 * and the shards come out the same as without the interruption.
 */
import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BatchOptions, readBatches } from './batches.js';
import type { DataFile } from './files.js';
import type { DataFolder } from './folder.js';
import { inOrder, type Pool } from './pool.js';
import { addCounts, blame, drop, type FaultLimits, nothingLeft, type Report } from './report.js';
import { DROPPED, type Plan, TRAIN, VALIDATION } from './scan.js';
import { type ShardEntry, type ShardIndex, type ShardLayout, ShardWriter } from './shards.js';
import type { EncodedBatch } from './work.js';

export interface Tokenised {
  train: ShardIndex;
  validation?: ShardIndex;
  report: Report;
  /** Documents and tokens of each source. */
  perSource: { documents: number; tokens: number }[];
}

export interface TokeniseOptions extends FaultLimits, BatchOptions {
  shardTokens?: number;
  onBytes?: (bytes: number) => void;
}

/** Where the work stands: everything before record `at` is in the shards. */
interface Journal {
  at: number;
  shards: [train: ShardEntry[], validation: ShardEntry[]];
  report: Report;
  perSource: Tokenised['perSource'];
}

export async function tokenise(
  files: readonly DataFile[],
  plan: Plan,
  layout: ShardLayout,
  folder: DataFolder,
  pool: Pool,
  options: TokeniseOptions,
): Promise<Tokenised> {
  const folders = [folder.train, folder.validation];
  const journal = resume(folder.readJournal<Journal>(), folders) ?? {
    at: 0,
    shards: [[], []],
    report: { ...plan.report, masked: { ...plan.report.masked } },
    perSource: plan.sources.map(() => ({ documents: 0, tokens: 0 })),
  };
  const held = plan.fates.includes(VALIDATION);
  await mkdir(folder.train, { recursive: true });
  if (held) await mkdir(folder.validation, { recursive: true });
  const writers = folders.map((path, i) => new ShardWriter(path, layout, journal.shards[i], options.shardTokens));
  const { report, perSource } = journal;

  let ahead = journal.at;
  const batches = readBatches(files, { ...options, skip: journal.at, fileRecords: plan.fileRecords });
  const encoded = inOrder(batches, pool.width, ({ records }) => {
    const fates = plan.fates.subarray(ahead, (ahead += records.length));
    return pool.encode(
      records,
      Uint8Array.from(fates, (fate) => Number(fate !== DROPPED)),
    );
  });
  for await (const [{ file, bytes, records }, batch] of encoded) {
    for (const { line, fault } of batch.faults) blame(report, files[file], line, fault, options);
    drop(report, 'too many tokens', batch.tooLong);
    addCounts(report.lost, batch.lost);
    for (const { record, ids, weights } of documentsOf(batch)) {
      const source = plan.sourceOf[journal.at + record];
      writers[plan.fates[journal.at + record]].add(ids, weights, source);
      perSource[source].documents++;
      perSource[source].tokens += ids.length;
    }
    report.kept += new Set(batch.records).size;
    journal.at += records.length;
    options.onBytes?.(bytes);
    if (!writers[TRAIN].full) continue;
    for (const writer of writers) await writer.write();
    journal.shards = [writers[TRAIN].entries, writers[VALIDATION].entries];
    await folder.writeJournal(journal);
  }
  const train = await writers[TRAIN].finish(plan.sources);
  if (train.documents === 0) throw nothingLeft(report);
  const validation = held ? await writers[VALIDATION].finish(plan.sources) : undefined;
  return { train, ...(validation?.documents && { validation }), report, perSource };
}

function* documentsOf({ ids, weights, ends, records }: EncodedBatch) {
  let start = 0;
  for (const [i, end] of ends.entries()) {
    yield { record: records[i], ids: ids.subarray(start, end), weights: weights.subarray(start, end) };
    start = end;
  }
}

/** The journal, unless a shard that it names is not what it was: then the work begins anew. */
function resume(journal: Journal | undefined, folders: readonly string[]): Journal | undefined {
  const whole = journal?.shards.every((entries, i) =>
    entries.every(({ file, bytes }) => statSync(join(folders[i], file), { throwIfNoEntry: false })?.size === bytes),
  );
  return whole ? journal : undefined;
}
