/**
 * Files, read at any position. One of the few modules that know Node: everything above sees bytes.
 * Reads go straight into the caller's memory, shared or not, in pieces that one system call can carry.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { describeError, KaiwenError } from '../errors.js';

/** One read call carries at most 2 GiB - 1; a round number below it keeps pieces page-aligned. */
const PIECE = 1 << 30;

export class RandomAccessFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  #descriptor: number;

  /** Throws 'not_found' if the file is not there, 'io' if it cannot be read or is no regular file. */
  constructor(path: string) {
    this.path = path;
    // Before it is opened: opening a pipe waits for a writer.
    const { size } = attempt(path, () => regular(path, statSync(path)));
    this.#descriptor = attempt(path, () => openSync(path, 'r'));
    this.size = size;
  }

  /** Fills `into` from byte `position`. Throws 'bad_file' if the file ends before. */
  read(into: Uint8Array, position: number): void {
    if (this.#descriptor < 0) throw new KaiwenError('closed', `${this.path}: read after close.`);
    let done = 0;
    while (done < into.byteLength) {
      const piece = into.subarray(done, Math.min(done + PIECE, into.byteLength));
      const got = attempt(this.path, () => readSync(this.#descriptor, piece, 0, piece.byteLength, position + done));
      // Where the file ends now: it may have shrunk since it was opened.
      if (got === 0) throw truncated(this.path, position + into.byteLength, position + done);
      done += got;
    }
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

/**
 * Makes a folder and those above it. Throws 'io' where the system refuses. Not `recursive`: Node then tries for ever below a
 * folder that answers "not found" although it is there, as /proc does.
 */
export function makeFolder(path: string): void {
  const parent = dirname(path);
  if (!existsSync(parent)) makeFolder(parent);
  if (existsSync(path) && statSync(path).isDirectory()) return;
  try {
    mkdirSync(path);
  } catch (cause) {
    throw new KaiwenError('io', `${path}: the folder cannot be made: ${describeError(cause)}`, {
      remedy: 'Choose another place, one that you may write to.',
      cause,
    });
  }
}

function regular(path: string, stat: Stats): Stats {
  if (stat.isFile()) return stat;
  throw new KaiwenError('bad_input', `${path}: not a regular file.`, { remedy: 'Give the path of a file.' });
}

/** The error for a file that ends before the bytes it promises. */
export function truncated(path: string, needed: number, size: number): KaiwenError {
  return new KaiwenError('bad_file', `${path}: truncated, ${needed} bytes needed and ${size} there.`, {
    remedy: 'Download or copy the file again.',
  });
}

/** Bytes a text file beside the weights may have: the index of the largest models has some megabytes. */
const TEXT_LIMIT = 64 * 2 ** 20;

/** The text of a file, or undefined if there is none. Throws 'bad_file' beyond 64 MiB. */
export function readText(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  return attempt(path, () => {
    const { size } = regular(path, statSync(path));
    if (size > TEXT_LIMIT) {
      throw new KaiwenError('bad_file', `${path}: larger than 64 MiB.`, { remedy: 'Download the file again.' });
    }
    return readFileSync(path, 'utf8');
  });
}

/** Whether there is something at a path. */
export function exists(path: string): boolean {
  return existsSync(path);
}

/** Whether a path is a folder's. Throws 'not_found' if nothing is there. */
export function isFolder(path: string): boolean {
  return attempt(path, () => statSync(path).isDirectory());
}

/** Names in a folder, sorted. */
export function listFolder(path: string): string[] {
  return attempt(path, () => readdirSync(path)).sort();
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof KaiwenError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new KaiwenError('not_found', `${path}: no such file.`, { remedy: 'Check the path.', cause: error });
    }
    throw new KaiwenError('io', `${path}: cannot be read (${code ?? message}).`, {
      remedy: 'Check what it is and its permissions.',
      cause: error,
    });
  }
}
