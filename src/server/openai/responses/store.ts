/**
 * Responses that later requests go on from, by their ids. In a folder they outlive the server; without one they live in
 * memory. Bounded by number and by bytes: what has not been used for longest goes first.
 */
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isId, newId, writeWhole } from '../../storage.js';
import type { Item } from './items.js';

export interface StoredResponse {
  /** The response as clients get it. */
  response: { id: string; previous_response_id: string | null; [field: string]: unknown };
  /** Of this request alone; those before it are the previous response's. */
  input: Item[];
  output: Item[];
  /** The key it belongs to; null: the server has no keys. */
  owner: string | null;
}

export interface ResponseStoreOptions {
  /** Absent: memory alone. */
  folder?: string;
  /** Default 10,000. */
  maxCount?: number;
  /** Default 256 MB on disk, 64 MB in memory. */
  maxBytes?: number;
}

const PREFIX = 'resp_';

/** An id for a new response. */
export const newResponseId = (): string => newId(PREFIX);

export class ResponseStore {
  readonly #folder?: string;
  readonly #maxCount: number;
  readonly #maxBytes: number;
  /** From the one not used for longest; with the text where there is no folder. */
  readonly #entries = new Map<string, { bytes: number; text?: string }>();
  #bytes = 0;
  #ready?: Promise<void>;

  constructor({ folder, maxCount = 10_000, maxBytes }: ResponseStoreOptions = {}) {
    this.#folder = folder;
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes ?? (folder === undefined ? 64e6 : 256e6);
  }

  /** Keeps a response. Throws what the disk says, and then keeps nothing. */
  async put(stored: StoredResponse): Promise<void> {
    const { id } = stored.response;
    if (!isId(PREFIX, id)) throw new Error(`not an id of a response: ${id}`);
    await this.#open();
    const text = JSON.stringify(stored);
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#maxBytes) return;
    if (this.#folder !== undefined) await writeWhole(this.#path(id), (file) => file.writeFile(text));
    this.#touch(id, { bytes, ...(this.#folder === undefined && { text }) });
    while (this.#entries.size > this.#maxCount || this.#bytes > this.#maxBytes) {
      await this.#drop(this.#entries.keys().next().value!);
    }
  }

  /** Undefined where there is none, or where it belongs to somebody else. */
  async get(id: string, owner: string | null): Promise<StoredResponse | undefined> {
    await this.#open();
    const entry = this.#entries.get(id);
    if (!entry) return undefined;
    const text = entry.text ?? (await this.#read(id));
    const stored = text === undefined ? undefined : parsed(text);
    if (stored?.owner !== owner) return undefined;
    this.#touch(id, entry);
    return stored;
  }

  /** Bytes that a response takes. */
  size(id: string): number {
    return this.#entries.get(id)?.bytes ?? 0;
  }

  async delete(id: string): Promise<void> {
    await this.#open();
    if (this.#entries.has(id)) await this.#drop(id);
  }

  #touch(id: string, entry: { bytes: number; text?: string }): void {
    this.#bytes += entry.bytes - (this.#entries.get(id)?.bytes ?? 0);
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  async #drop(id: string): Promise<void> {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0;
    this.#entries.delete(id);
    if (this.#folder !== undefined) await rm(this.#path(id), { force: true });
  }

  async #read(id: string): Promise<string | undefined> {
    const path = this.#path(id);
    try {
      const text = await readFile(path, 'utf8');
      // A restart orders by the time of last use.
      const now = new Date();
      await utimes(path, now, now).catch(() => {});
      return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await this.#drop(id);
      return undefined;
    }
  }

  #path(id: string): string {
    return join(this.#folder!, `${id}.json`);
  }

  #open(): Promise<void> {
    this.#ready ??= this.#scan().catch((error) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** What an earlier run left, and without what it left half written. */
  async #scan(): Promise<void> {
    const folder = this.#folder;
    if (folder === undefined) return;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found: { id: string; bytes: number; used: number }[] = [];
    for (const name of await readdir(folder)) {
      if (name.endsWith('.tmp')) await rm(join(folder, name), { force: true });
      const id = name.replace(/\.json$/, '');
      if (!name.endsWith('.json') || !isId(PREFIX, id)) continue;
      const { size, mtimeMs } = await stat(join(folder, name));
      found.push({ id, bytes: size, used: mtimeMs });
    }
    found.sort((a, b) => a.used - b.used);
    for (const { id, bytes } of found) this.#touch(id, { bytes });
  }
}

/** Undefined for a file that something else has changed or cut off. */
function parsed(text: string): StoredResponse | undefined {
  try {
    return JSON.parse(text) as StoredResponse;
  } catch {
    return undefined;
  }
}
