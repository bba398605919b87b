/** Lines of a file, JSONL among them, as a stream: memory for the longest line, whatever the file's size. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { KaiwenError } from '../../errors.js';
import type { RawRecord, ReadProgress } from './record.js';

/** A longer line is no document but a file without line ends. */
const MAX_LINE = 64 << 20;

export interface Line {
  number: number;
  /** Without the line end; undefined if it is too long or no UTF-8. */
  text?: string;
  fault?: string;
}

/** JSON values, one a line; blank lines are passed over. */
export async function* readJsonLines(path: string, progress: ReadProgress): AsyncGenerator<RawRecord> {
  for await (const { number, text, fault } of readLines(path, progress)) {
    if (fault !== undefined) yield { line: number, fault };
    else if (/\S/.test(text!)) yield { line: number, json: text };
  }
}

/** Throws KaiwenError 'io' or 'not_found' if the file cannot be read, 'bad_file' if its compression is broken. */
export async function* readLines(path: string, progress: ReadProgress): AsyncGenerator<Line> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let rest: Uint8Array[] = [];
  let restLength = 0;
  let number = 0;
  const finish = (last: Uint8Array): Line => {
    number++;
    const length = restLength + last.length;
    let bytes = rest.length === 0 ? last : Buffer.concat([...rest, last]);
    rest = [];
    restLength = 0;
    if (length > MAX_LINE) return { number, fault: `it is longer than ${MAX_LINE >> 20} MiB` };
    if (bytes.at(-1) === 0x0d) bytes = bytes.subarray(0, -1);
    try {
      return { number, text: utf8.decode(bytes) };
    } catch {
      return { number, fault: 'it is not UTF-8' };
    }
  };
  for await (const chunk of readBytes(path, progress)) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      yield finish(chunk.subarray(start, end));
      start = end + 1;
    }
    const left = chunk.subarray(start);
    restLength += left.length;
    // Of a line that is refused anyway only the length matters.
    if (restLength <= MAX_LINE) rest.push(left);
  }
  if (restLength > 0) yield finish(new Uint8Array());
}

/** The bytes of a file, a .gz one unpacked unless asked not to. */
export async function* readBytes(
  path: string,
  progress: ReadProgress,
  { unpack = true } = {},
): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  file.on('data', (chunk) => {
    progress.bytes += chunk.length;
  });
  const unpacked = unpack && path.endsWith('.gz') ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file;
  // An error of the file does not reach what it is piped to.
  if (unpacked !== file) file.on('error', (error) => unpacked.destroy(error));
  try {
    for await (const chunk of unpacked) yield chunk as Uint8Array;
  } catch (cause) {
    throw readError(path, cause as NodeJS.ErrnoException);
  } finally {
    file.destroy();
  }
}

/** What to tell the user when a data file cannot be read. */
export function readError(path: string, cause: NodeJS.ErrnoException): KaiwenError {
  if (cause instanceof KaiwenError) return cause;
  if (cause.code === 'ENOENT') {
    return new KaiwenError('not_found', `${path}: no such file.`, { remedy: 'Check the path.', cause });
  }
  if (cause.code?.startsWith('Z_')) {
    return new KaiwenError('bad_file', `${path}: its compression is broken (${cause.message}).`, {
      remedy: 'Fetch the file again.',
      cause,
    });
  }
  return new KaiwenError('io', `${path}: cannot be read (${cause.code ?? cause.message}).`, {
    remedy: 'Check what it is and its permissions.',
    cause,
  });
}
