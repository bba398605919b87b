/**
 * Small durable documents in a folder: written to another name, synced and renamed, so that a reader or a restart sees
 * the old one or the new one and never half of it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '../formats/json.js';

/** A new id that nobody guesses: `prefix` and 32 hexadecimal digits. */
export function newId(prefix: string): string {
  return prefix + randomBytes(16).toString('hex');
}

/** Whether a client's text can be an id of ours, and so part of a path. */
export function isId(prefix: string, text: string): boolean {
  return text.startsWith(prefix) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length));
}

/** Writes `path` whole, by way of a temporary name that is gone afterwards, come what may. */
export async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export function writeJson(path: string, value: unknown): Promise<void> {
  return writeWhole(path, (file) => file.writeFile(JSON.stringify(value)));
}

/** The document at `path`; undefined if there is none, or none that can be read. */
export async function readJsonFile<T>(path: string): Promise<T | undefined> {
  try {
    return parseJson(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Files that are open at once: a process may have only so many. */
const READ_AT_ONCE = 64;

/** The documents `*.json` of a folder. */
export async function readAllJson<T>(folder: string): Promise<T[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  const found: T[] = [];
  for (let from = 0; from < names.length; from += READ_AT_ONCE) {
    const some = names.slice(from, from + READ_AT_ONCE).map((name) => readJsonFile<T>(join(folder, name)));
    for (const value of await Promise.all(some)) if (value !== undefined) found.push(value);
  }
  return found;
}

const held = new Set<string>();

/** Takes a folder for this process alone; false if another one that is alive has it. Given back when the process ends. */
export function takeFolder(folder: string): boolean {
  const path = join(folder, 'lock');
  if (held.has(path)) return false;
  for (const attempt of [1, 2]) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (attempt === 2 || isAlive(Number(readFileSync(path, 'utf8')))) return false;
      rmSync(path, { force: true });
    }
  }
  held.add(path);
  process.once('exit', () => releaseFolder(folder));
  return true;
}

export function releaseFolder(folder: string): void {
  const path = join(folder, 'lock');
  if (held.delete(path)) rmSync(path, { force: true });
}

function isAlive(pid: number): boolean {
  // Without its own entry in `held`, this process's number is that of one before a restart of the machine.
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
