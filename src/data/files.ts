/** Which files a source is made of, in an order that does not depend on the file system, and who reads them. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { KaiwenError } from '../errors.js';
import { readCsv } from './readers/csv.js';
import { readJson } from './readers/json.js';
import { readJsonLines } from './readers/lines.js';
import { readMarkdown } from './readers/markdown.js';
import { readParquet } from './readers/parquet.js';
import type { Reader } from './readers/record.js';
import { readTextFile } from './readers/text.js';

export interface SourceOptions {
  /** A file, or a folder whose files are taken. */
  path: string;
  /** How the source is named in the datasheet; default: its path. */
  name?: string;
  /** Licence of what does not name its own. */
  licence?: string;
}

export interface DataFile {
  path: string;
  bytes: number;
  modified: number;
  read: Reader;
  /** Its place in the list of sources that was given. */
  given: number;
}

const READERS: Readonly<Record<string, Reader>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
  '.parquet': readParquet,
  '.csv': readCsv,
  '.tsv': readCsv,
  '.txt': readTextFile,
  '.text': readTextFile,
  '.md': readMarkdown,
  '.markdown': readMarkdown,
};

export const EXTENSIONS = Object.keys(READERS);

/**
 * The files of all sources.
 * @throws KaiwenError 'not_found', 'unsupported' for a file of an unknown kind, 'bad_input' for a folder without data
 */
export function listFiles(sources: readonly SourceOptions[]): DataFile[] {
  return sources.flatMap(({ path }, given) => {
    const files = walk(path, true).map(({ file, stat }) => ({
      path: file,
      bytes: stat.size,
      modified: stat.mtimeMs,
      read: readerOf(file)!,
      given,
    }));
    if (files.length > 0) return files;
    throw new KaiwenError('bad_input', `${path}: the folder holds no data.`, {
      remedy: `Files that are read end in ${EXTENSIONS.join(', ')}.`,
    });
  });
}

function walk(path: string, named: boolean): { file: string; stat: Stats }[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new KaiwenError('not_found', `${path}: no such file or folder.`, { remedy: 'Check the path.' });
  if (stat.isDirectory()) {
    const names = readdirSync(path).filter((name) => !name.startsWith('.') && name !== 'node_modules');
    return names.sort().flatMap((name) => walk(join(path, name), false));
  }
  if (readerOf(path) && stat.isFile()) return [{ file: path, stat }];
  if (!named) return [];
  throw new KaiwenError('unsupported', `${path}: data of this kind is not read.`, {
    remedy: `Files that are read end in ${EXTENSIONS.join(', ')}.`,
  });
}

function readerOf(path: string): Reader | undefined {
  return READERS[extname(path.replace(/\.gz$/, '')).toLowerCase()];
}
