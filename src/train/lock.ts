/** One process at a time in the folder of a run. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { KaiwenError } from '../errors.js';

/**
 * Takes a folder's lock, a file with the process number; dispose to give it back. One that a killed process left is taken over.
 * Throws KaiwenError 'bad_input' if another process trains there.
 */
export function lockFile(path: string): Disposable {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const owner = Number(readFileSync(path, 'utf8'));
    if (owner !== process.pid && isAlive(owner)) {
      throw new KaiwenError('bad_input', `${path}: process ${owner} trains in this folder.`, {
        remedy: 'Wait for it or choose another folder; if that process is something else, remove the file.',
      });
    }
    writeFileSync(path, `${process.pid}\n`);
  }
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
