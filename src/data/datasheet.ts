/** What a set of prepared data is made of: carried with the shards, and by whoever trains on them into the model's card. */
import { createHash } from 'node:crypto';
import type { DataFile } from './files.js';
import { readBytes } from './readers/lines.js';
import { noticesOf, type Report } from './report.js';
import { type Plan, TRAIN, VALIDATION } from './scan.js';
import type { ShardIndex, Source } from './shards.js';
import type { Tokenised } from './tokenise.js';

export interface Datasheet {
  format: 'kaiwen-datasheet';
  version: 1;
  kind: ShardIndex['kind'];
  files: { path: string; bytes: number; sha256: string; records: number }[];
  sources: (Source & { documents: number; tokens: number })[];
  /** By licence; '' for documents of which none is known. */
  licences: Record<string, { documents: number; tokens: number }>;
  /** Good records of each kind. */
  examples: Record<string, number>;
  settings: object;
  /** Identifies the tokenizer and the chat template. */
  tokenizer: string;
  report: Report;
  notices: string[];
  train: Part;
  validation?: Part;
}

export type Part = Pick<ShardIndex, 'kind' | 'documents' | 'tokens' | 'learned' | 'hash'>;

export function datasheetOf(
  files: readonly DataFile[],
  hashes: readonly string[],
  plan: Plan,
  { train, validation, report, perSource }: Tokenised,
  settings: object & { validation: number },
): Datasheet {
  const sources = plan.sources
    .map((source, i) => ({ ...source, ...perSource[i] }))
    .filter(({ documents }) => documents);
  const licences: Datasheet['licences'] = {};
  for (const { licence = '', documents, tokens } of sources) {
    const sum = (licences[licence] ??= { documents: 0, tokens: 0 });
    sum.documents += documents;
    sum.tokens += tokens;
  }
  return {
    format: 'kaiwen-datasheet',
    version: 1,
    kind: plan.kind,
    files: files.map(({ path, bytes }, i) => ({ path, bytes, sha256: hashes[i], records: plan.fileRecords[i] })),
    sources,
    licences,
    examples: plan.kinds,
    settings,
    tokenizer: train.tokenizer,
    report,
    notices: [...noticesOf(report), ...shortValidation(plan, settings.validation)],
    train: partOf(train),
    ...(validation && { validation: partOf(validation) }),
  };
}

/** Says so where groups were too large for the share that was asked for. */
function shortValidation({ fates }: Plan, share: number): string[] {
  const [train, held] = [TRAIN, VALIDATION].map((fate) =>
    fates.reduce((sum, other) => sum + Number(other === fate), 0),
  );
  const wanted = Math.round(share * (train + held));
  if (held >= wanted / 2) return [];
  return [
    `${held} examples instead of ${wanted} are kept for validation: the others resemble too many that are trained on.`,
  ];
}

export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of readBytes(path, { bytes: 0 }, { unpack: false })) hash.update(chunk);
  return hash.digest('hex');
}

function partOf({ kind, documents, tokens, learned, hash }: ShardIndex): Part {
  return { kind, documents, tokens, learned, hash };
}
