/** Reading and writing a user's small files: whole or not at all, and failures as one line with a remedy. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { KaiwenError } from '../errors.js';
import { checkTarget, OutputFile, replaceTarget } from '../formats/output.js';

/** The text of a file of at most `maxBytes`. Throws KaiwenError 'not_found', 'io' or 'bad_input'. */
export async function readText(file: string, maxBytes: number): Promise<string> {
  try {
    const info = await stat(file);
    if (info.size > maxBytes) throw tooLarge(file, maxBytes);
    if (info.isFile()) return await readFile(file, 'utf8');
    // A pipe or a device does not say beforehand how much it holds.
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of createReadStream(file)) {
      bytes += part.length;
      if (bytes > maxBytes) throw tooLarge(file, maxBytes);
      parts.push(part);
    }
    return Buffer.concat(parts).toString('utf8');
  } catch (cause) {
    if (cause instanceof KaiwenError) throw cause;
    throw readError(cause, file);
  }
}

function tooLarge(file: string, maxBytes: number): KaiwenError {
  return new KaiwenError('bad_input', `${file} is larger than ${maxBytes >> 20} MiB.`, {
    remedy: 'Give a part of it.',
  });
}

/** Writes pieces one after the other to a file that appears complete or not at all; an older one is replaced. */
export async function writeWhole(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  await checkFileTarget(file);
  const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  await replaceTarget(file, { force: true, bytes }, (temporary) =>
    OutputFile.make(temporary, async (output) => {
      for (const piece of pieces) await output.write(piece);
    }),
  );
}

/** Throws KaiwenError if a file cannot stand at this path: better known before the work than after. */
export async function checkFileTarget(file: string): Promise<void> {
  await checkTarget(file, true);
  const there = await stat(file).catch(() => undefined);
  if (there && !there.isFile()) {
    throw new KaiwenError('bad_input', `${file} is not a file.`, { remedy: 'Name a file.' });
  }
}

const READ_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
};

function readError(cause: unknown, file: string): KaiwenError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new KaiwenError(
    code === 'ENOENT' ? 'not_found' : 'io',
    `Cannot read ${file}: ${READ_REASONS[code] ?? message}.`,
    {
      remedy: 'Check the path and its permissions.',
      cause,
    },
  );
}
