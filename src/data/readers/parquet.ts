/** Parquet, a row group at a time, and of its columns only those that some shape of data has. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { KaiwenError } from '../../errors.js';
import { FIELDS } from '../shapes.js';
import { readError } from './lines.js';
import type { RawRecord, ReadProgress } from './record.js';

/** `fields`: further columns that are wanted. `line` is the row, from 1. Throws KaiwenError 'bad_file', 'not_found', 'io'. */
export async function* readParquet(
  path: string,
  progress: ReadProgress,
  fields: readonly string[] = [],
): AsyncGenerator<RawRecord> {
  const { file, metadata } = await open(path);
  const wanted = new Set([...FIELDS, ...fields]);
  const top = metadata.schema[0].num_children ?? 0;
  const names = topNames(metadata.schema, top);
  const some = names.filter((name) => wanted.has(name));
  let row = 0;
  for (const [i, { num_rows }] of metadata.row_groups.entries()) {
    const rowEnd = row + Number(num_rows);
    const options = { file, metadata, compressors, rowStart: row, rowEnd, columns: some.length > 0 ? some : undefined };
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects(options);
    } catch (cause) {
      throw damaged(path, `row group ${i + 1} of ${metadata.row_groups.length} cannot be read`, cause as Error);
    }
    for (const value of rows) yield { line: ++row, value: plain(value) };
    row = rowEnd;
    progress.bytes = Math.round((file.byteLength * (i + 1)) / metadata.row_groups.length);
  }
}

async function open(path: string) {
  const file = await asyncBufferFromFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw readError(path, cause);
  });
  try {
    return { file, metadata: await parquetMetadataAsync(file) };
  } catch (cause) {
    throw damaged(path, 'it is no Parquet file or cut off', cause as Error);
  }
}

/** Names of the columns below the root; a nested one's parts follow it in the list. */
function topNames(schema: readonly { name: string; num_children?: number }[], count: number): string[] {
  const names: string[] = [];
  let at = 1;
  const skip = (): void => {
    const { num_children = 0 } = schema[at++];
    for (let i = 0; i < num_children; i++) skip();
  };
  for (let i = 0; i < count; i++) {
    names.push(schema[at].name);
    skip();
  }
  return names;
}

/** The value as JSON would have it. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return null;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function damaged(path: string, what: string, cause: Error): KaiwenError {
  return new KaiwenError('bad_file', `${path}: ${what} (${cause.message.slice(0, 100)}).`, {
    remedy: 'Fetch the file again.',
    cause,
  });
}
