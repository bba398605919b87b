/** Reads and judges data as `prepare` would, and writes nothing: what `kaiwen data validate` and `stats` tell. */
import { readBatches } from './batches.js';
import type { EncodeOptions } from './encode.js';
import { Growing } from './growing.js';
import { inOrder, startPool } from './pool.js';
import { type DataOptions, filesOf, threadsOf, workOf } from './prepare.js';
import { addCounts, blame, drop, noticesOf, type Report } from './report.js';
import { DROPPED, scan } from './scan.js';
import type { Source } from './shards.js';

export interface ExamineOptions extends DataOptions, EncodeOptions {
  /** Tokenise too, with this model's tokenizer and template: finds what the template refuses, and counts tokens. */
  model?: string;
  maxTokens?: number;
}

export interface Examination {
  files: { path: string; bytes: number; records: number }[];
  /** Good records of each kind, and their characters. */
  examples: Record<string, number>;
  chars: number;
  sources: (Source & { records: number })[];
  report: Report;
  notices: string[];
  tokens?: TokenCounts;
}

export interface TokenCounts {
  documents: number;
  tokens: number;
  /** Tokens that are targets with a weight above 0. */
  learned: number;
  /** Tokens of a document: of half of them at most `median`, and so on. */
  lengths: { median: number; p90: number; p99: number; max: number };
}

export async function examine(options: ExamineOptions): Promise<Examination> {
  const { given, files, total } = filesOf(options);
  const { model, loss, think, endToken, maxTokens, signal, onProgress } = options;
  const work = { ...workOf(options), model, encode: { loss, think, endToken }, maxTokens };
  await using pool = startPool(work, threadsOf(options, total));
  const shared = { ...options, fields: Object.keys(options.fields ?? {}), signal };
  const progress = (stage: 'reading' | 'tokenising') => (done: number) => onProgress?.({ stage, done, total });
  const plan = await scan(files, given, pool, { ...shared, validation: 0, seed: 0, onBytes: progress('reading') });
  const { report, fates, sourceOf } = plan;
  const good = fates.reduce((sum, fate) => sum + Number(fate !== DROPPED), 0);
  report.kept = good;

  let tokens: TokenCounts | undefined;
  if (model !== undefined && good > 0) {
    const lengths = new Growing(Uint32Array);
    let learned = 0;
    let at = 0;
    report.kept = 0;
    const encoded = inOrder(readBatches(files, shared), pool.width, ({ records }) => {
      const keep = fates.subarray(at, (at += records.length)).map((fate) => Number(fate !== DROPPED));
      return pool.encode(records, keep);
    });
    for await (const [{ file, bytes }, batch] of encoded) {
      for (const { line, fault } of batch.faults) blame(report, files[file], line, fault, options);
      drop(report, 'too many tokens', batch.tooLong);
      addCounts(report.lost, batch.lost);
      report.kept += new Set(batch.records).size;
      let start = 0;
      for (const end of batch.ends) {
        lengths.push(end - start);
        for (let i = start + 1; i < end; i++) if (batch.weights[i] > 0) learned++;
        start = end;
      }
      progress('tokenising')(bytes);
    }
    tokens = countTokens(lengths.view, learned);
  }
  const records = plan.sources.map(() => 0);
  for (const source of sourceOf) records[source]++;
  return {
    files: files.map(({ path, bytes }, i) => ({ path, bytes, records: plan.fileRecords[i] })),
    examples: plan.kinds,
    chars: plan.chars,
    sources: plan.sources.map((source, i) => ({ ...source, records: records[i] })),
    report,
    notices: noticesOf(report),
    ...(tokens && { tokens }),
  };
}

export function countTokens(lengths: Uint32Array, learned: number): TokenCounts {
  const sorted = lengths.slice().sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    documents: sorted.length,
    tokens: sorted.reduce((sum, length) => sum + length, 0),
    learned,
    lengths: { median: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
  };
}
