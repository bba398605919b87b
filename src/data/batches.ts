/** The records of all files in order, some hundred at a time, never from two files at once. */
import { KaiwenError } from '../errors.js';
import type { DataFile } from './files.js';
import type { RawRecord } from './readers/record.js';

export interface Batch {
  /** Index of the file. */
  file: number;
  records: RawRecord[];
  /** Bytes read so far, of all files. */
  bytes: number;
}

export interface BatchOptions {
  /** Names of fields that the user knows to be there. */
  fields?: readonly string[];
  signal?: AbortSignal;
  /** Begin after so many records; needs the number of records in each file. */
  skip?: number;
  fileRecords?: readonly number[];
}

const BATCH_RECORDS = 256;
const BATCH_CHARS = 1 << 20;

export async function* readBatches(
  files: readonly DataFile[],
  { fields, signal, skip = 0, fileRecords = [] }: BatchOptions,
): AsyncGenerator<Batch> {
  let before = 0;
  let left = skip;
  for (const [index, file] of files.entries()) {
    const progress = { bytes: 0 };
    let records: RawRecord[] = [];
    let chars = 0;
    const count = fileRecords[index];
    if (count !== undefined && left >= count) left -= count;
    else {
      for await (const record of file.read(file.path, progress, fields)) {
        if (left > 0) {
          left--;
          continue;
        }
        records.push(record);
        chars += sizeOf(record);
        if (records.length < BATCH_RECORDS && chars < BATCH_CHARS) continue;
        if (signal?.aborted) throw new KaiwenError('aborted', 'Reading the data was interrupted.');
        yield { file: index, records, bytes: before + progress.bytes };
        records = [];
        chars = 0;
      }
      if (records.length > 0) yield { file: index, records, bytes: before + progress.bytes };
    }
    before += file.bytes;
  }
}

function sizeOf({ json, value }: RawRecord): number {
  if (json !== undefined) return json.length;
  const text = (value as { text?: unknown } | undefined)?.text;
  return typeof text === 'string' ? text.length : 1000;
}
