/**
 * Files and folders that appear whole or not at all: everything is written under a temporary name beside the
 * target and renamed at the end; whatever goes wrong on the way removes it.
 */
import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { KaiwenError } from '../errors.js';

export interface TargetOptions {
  /** Replace what is there already. */
  force?: boolean;
  /** Bytes that will be written; refused beforehand where the disk has less room. */
  bytes?: number;
}

/**
 * Has `write` make a file or folder at a temporary path, then moves it to `target`.
 * Throws KaiwenError 'bad_input' if the target exists and `force` is not set, 'io' if the disk refuses.
 */
export async function replaceTarget(
  target: string,
  { force = false, bytes = 0 }: TargetOptions,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const path = resolve(target);
  await checkTarget(target, force);
  await checkSpace(path, bytes);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await rm(temporary, { recursive: true, force: true });
    await write(temporary);
    await putInPlace(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw ioError(error, target);
  }
}

/** A rename replaces a file in one step, but never a folder that has something in it: that one steps aside first. */
async function putInPlace(temporary: string, path: string): Promise<void> {
  const [fresh, there] = [await stat(temporary), await stat(path).catch(() => undefined)];
  if (!fresh.isDirectory() || !there?.isDirectory()) return rename(temporary, path);
  const aside = `${path}.${process.pid}.old`;
  await rename(path, aside);
  await rename(temporary, path);
  await rm(aside, { recursive: true });
}

/** Throws if the target may not be written: it exists and `force` is not set, or its folder does not exist. */
export async function checkTarget(target: string, force: boolean): Promise<void> {
  // An empty name would resolve to the current folder.
  if (target === '') throw new KaiwenError('usage', 'The output has no name.', { remedy: 'Give a path to write to.' });
  const path = resolve(target);
  const parent = await stat(dirname(path)).catch(() => undefined);
  if (!parent?.isDirectory()) {
    throw new KaiwenError('not_found', `${dirname(path)}: no such folder.`, { remedy: 'Make it first.' });
  }
  if (!force && (await stat(path).catch(() => undefined))) {
    throw new KaiwenError('bad_input', `${target} exists already.`, {
      remedy: 'Choose another name, or pass --force to replace it.',
    });
  }
}

async function checkSpace(path: string, bytes: number): Promise<void> {
  const disk = await statfs(dirname(path)).catch(() => undefined);
  const free = disk ? disk.bavail * disk.bsize : Number.POSITIVE_INFINITY;
  // Some virtual file systems report no size at all.
  if (!disk || disk.blocks === 0 || free >= bytes) return;
  throw diskFull(path, `${bytes} bytes are needed and ${free} are free`);
}

/** Writes bytes one after the other. */
export class OutputFile {
  readonly path: string;
  position = 0;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Makes the file, runs `write` with it, and closes it with all bytes on the disk. */
  static async make(path: string, write: (file: OutputFile) => Promise<void>): Promise<void> {
    const handle = await open(path, 'wx');
    try {
      await write(new OutputFile(path, handle));
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.byteLength) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.byteLength - done);
      done += bytesWritten;
      this.position += bytesWritten;
    }
  }

  /** Zeros up to the next multiple of `alignment`. */
  async pad(alignment: number): Promise<void> {
    await this.write(new Uint8Array((alignment - (this.position % alignment)) % alignment));
  }
}

/** What the system said about writing `target`, as a KaiwenError with a remedy. */
export function ioError(error: unknown, target: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof KaiwenError || typeof code !== 'string') return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(target, 'the disk is full', error);
  return new KaiwenError('io', `${target}: cannot be written (${message}).`, {
    remedy: 'Check the path and its permissions.',
    cause: error,
  });
}

function diskFull(target: string, what: string, cause?: unknown): KaiwenError {
  return new KaiwenError('io', `${target}: cannot be written, ${what}.`, {
    remedy: 'Free some space or write to another disk.',
    cause,
  });
}
