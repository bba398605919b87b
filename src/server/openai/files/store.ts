/**
 * Uploaded files and results in a folder: `file-….bin` holds the bytes, `file-….json` what is known of them, written
 * last, so that a file which has one is whole. A file belongs to the key that brought it; no other sees it.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { makeFolder } from '../../../formats/file.js';
import { HttpError } from '../../http-error.js';
import { isId, newId, readAllJson, readJsonFile, writeJson, writeWhole } from '../../storage.js';

export interface StoredFile {
  readonly id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  /** Unix seconds. */
  readonly created: number;
  /** Id of the key; absent where the server has none. */
  readonly owner?: string;
}

/** What a file is to be called and whose it is. */
export type FileLabel = Pick<StoredFile, 'filename' | 'purpose' | 'owner'> & { id?: string };

const PREFIX = 'file-';

export class FileStore {
  constructor(private readonly folder: string) {}

  /** Stores what `write` writes. Nothing is left behind if it throws. An id that is given is written over. */
  async add(label: FileLabel, write: (file: FileHandle) => Promise<void>): Promise<StoredFile> {
    makeFolder(this.folder);
    const { filename, purpose, owner, id = newId(PREFIX) } = label;
    let bytes = 0;
    await writeWhole(this.#path(id, 'bin'), async (file) => {
      await write(file);
      bytes = (await file.stat()).size;
    });
    const stored = { id, filename, purpose, bytes, created: Math.floor(Date.now() / 1000), ...(owner && { owner }) };
    try {
      await writeJson(this.#path(id, 'json'), stored);
    } catch (error) {
      await rm(this.#path(id, 'bin'), { force: true });
      throw error;
    }
    return stored;
  }

  /** Throws HttpError 404 if `owner` has no such file. */
  async get(id: string, owner: string | undefined): Promise<StoredFile> {
    const file = isId(PREFIX, id) ? await readJsonFile<StoredFile>(this.#path(id, 'json')) : undefined;
    if (file && file.owner === owner) return file;
    throw new HttpError(404, 'file_not_found', `There is no file '${id.slice(0, 100)}'.`, { param: 'file_id' });
  }

  /** The newest first. */
  async list(owner: string | undefined): Promise<StoredFile[]> {
    const all = await readAllJson<StoredFile>(this.folder);
    return all.filter((file) => file.owner === owner).sort((a, b) => b.created - a.created || (a.id < b.id ? -1 : 1));
  }

  /** The bytes of a file that `get` has given. */
  read({ id }: StoredFile): Readable {
    return createReadStream(this.#path(id, 'bin'));
  }

  path({ id }: StoredFile): string {
    return this.#path(id, 'bin');
  }

  /** Changes what is said of a file. */
  async relabel(file: StoredFile, change: Partial<FileLabel>): Promise<StoredFile> {
    const changed = { ...file, ...change };
    await writeJson(this.#path(file.id, 'json'), changed);
    return changed;
  }

  async delete({ id }: StoredFile): Promise<void> {
    await rm(this.#path(id, 'json'), { force: true });
    await rm(this.#path(id, 'bin'), { force: true });
  }

  #path(id: string, kind: 'bin' | 'json'): string {
    return join(this.folder, `${id}.${kind}`);
  }
}
