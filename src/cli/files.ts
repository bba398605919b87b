/** Reading and writing a user's small files: whole or not at all, and failures as one line with a remedy. */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { KaiwenError } from '../errors.js';

/** The text of a file of at most `maxBytes`. */
export async function readText(file: string, maxBytes: number): Promise<string> {
  let size: number;
  try {
    const info = await stat(file);
    if (info.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    size = info.size;
  } catch (cause) {
    throw fileError(cause, file, 'read');
  }
  if (size > maxBytes) {
    throw new KaiwenError('bad_input', `${file} is larger than ${maxBytes >> 20} MiB.`, {
      remedy: 'Give a part of it.',
    });
  }
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw fileError(cause, file, 'read');
  }
}

/** Writes beside the file under a temporary name, then renames: no reader and no full disk ever sees half a file. */
export async function writeWhole(file: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw fileError(cause, file, 'write');
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'Check the path.',
  ENOTDIR: 'Check the path.',
  EISDIR: 'Name a file, not a folder.',
  EACCES: 'Check its permissions.',
  EPERM: 'Check its permissions.',
  EROFS: 'Choose a place that can be written.',
  ENOSPC: 'Free some space on the disk.',
};

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

function fileError(cause: unknown, file: string, verb: 'read' | 'write'): KaiwenError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const reason = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new KaiwenError(
    code === 'ENOENT' && verb === 'read' ? 'not_found' : 'io',
    `Cannot ${verb} ${file}: ${reason}.`,
    {
      remedy: REMEDIES[code],
      cause,
    },
  );
}
