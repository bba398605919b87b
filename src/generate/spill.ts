/**
 * Pages on disk: full blocks that prompts have shared, written when memory needs their page and read back when a prompt
 * asks for them, also after a restart. One file a block, with a checksum; its name says of which model, settings and
 * tokens, so another model never reads it. What is damaged or gone is merely not known; a disk that takes no more ends
 * the writing and nothing else. Files are read and written between steps, by the engine's own thread.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { KV_PAGE } from '../tensor/ops/kv-constants.js';
import type { StatePlace } from './cache.js';
import { hashOf } from './hash.js';
import type { Backing, Block } from './pages.js';

const FORMAT = 1;
/** Checksum, format, the parent's hash in two words, then the tokens. */
const HEADER = 4 + KV_PAGE;

export interface SpillOptions {
  folder: string;
  /** Most bytes of files; the longest unused go first. */
  bytes: number;
}

export class Spill implements Backing {
  /** Bytes of each file by hash, the longest unused first. */
  private readonly files = new Map<number, number>();
  private bytes = 0;
  private isOff = false;
  private readonly prefix: string;

  /**
   * `identity`: of the model and of everything else that keys and values depend on. `layers` are those of the cache.
   * `warn` is told, once, when nothing more can be written.
   */
  constructor(
    private readonly options: SpillOptions,
    identity: string,
    private readonly layers: readonly StatePlace[],
    private readonly warn: (notice: string) => void,
  ) {
    const parts = [identity, FORMAT, KV_PAGE, ...layers.map((layer) => layer.bytes)].join(' ');
    this.prefix = `${hex(hashOf(0, [...Buffer.from(parts)]))}-`;
    try {
      mkdirSync(options.folder, { recursive: true, mode: 0o700 });
      this.find();
    } catch (error) {
      this.end(error);
    }
  }

  get count(): number {
    return this.files.size;
  }

  has(hash: number): boolean {
    return this.files.has(hash);
  }

  write(block: Block): void {
    const { hash, tokens, parent, page } = block;
    if (this.isOff || hash === undefined || parent?.hash === undefined) return;
    const known = this.files.get(hash);
    if (known !== undefined) {
      this.touch(hash, known);
      return;
    }
    const size = this.layers.reduce((sum, layer) => sum + layer.bytes, 4 * HEADER);
    if (size > this.options.bytes) return;
    while (this.bytes + size > this.options.bytes) this.remove(this.files.keys().next().value!);
    const parts = [headerOf(parent.hash, tokens), ...this.pageOf(page)];
    new Uint32Array(parts[0].buffer)[0] = checksum(parts);
    const temporary = `${this.path(hash)}.${process.pid}.tmp`;
    try {
      const file = openSync(temporary, 'w', 0o600);
      try {
        for (const part of parts) writeAll(file, part);
      } finally {
        closeSync(file);
      }
      renameSync(temporary, this.path(hash));
      this.touch(hash, size);
    } catch (error) {
      rmSync(temporary, { force: true });
      this.end(error);
    }
  }

  read(hash: number, parent: number, tokens: readonly number[], page: number): boolean {
    const size = this.files.get(hash);
    if (size === undefined) return false;
    const parts = [new Uint8Array(4 * HEADER), ...this.pageOf(page)];
    try {
      const file = openSync(this.path(hash), 'r');
      try {
        for (const part of parts) readAll(file, part);
      } finally {
        closeSync(file);
      }
      const words = new Uint32Array(parts[0].buffer);
      const expected = headerOf(parent, tokens);
      expected.set(parts[0].subarray(0, 4));
      if (words[0] === checksum(parts) && Buffer.compare(expected, parts[0]) === 0) {
        this.touch(hash, size);
        return true;
      }
    } catch {
      // Gone or cut short: not known.
    }
    this.remove(hash);
    return false;
  }

  /** What an earlier run of the same model has left. */
  private find(): void {
    const found: { hash: number; size: number; time: number }[] = [];
    for (const name of readdirSync(this.options.folder)) {
      if (!name.startsWith(this.prefix)) continue;
      const path = join(this.options.folder, name);
      const match = /^([0-9a-f]{14})\.kv$/.exec(name.slice(this.prefix.length));
      const { size, mtimeMs: time } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: 0 };
      if (match) found.push({ hash: Number.parseInt(match[1], 16), size, time });
      // Of a run that ended while it wrote.
      else if (name.endsWith('.tmp') && Date.now() - time > 60_000) rmSync(path, { force: true });
    }
    for (const { hash, size } of found.sort((a, b) => a.time - b.time)) this.touch(hash, size);
    while (this.bytes > this.options.bytes) this.remove(this.files.keys().next().value!);
  }

  private touch(hash: number, size: number): void {
    this.bytes += size - (this.files.get(hash) ?? 0);
    this.files.delete(hash);
    this.files.set(hash, size);
  }

  private remove(hash: number): void {
    this.bytes -= this.files.get(hash) ?? 0;
    this.files.delete(hash);
    try {
      rmSync(this.path(hash), { force: true });
    } catch {
      // Somebody else's by now.
    }
  }

  private end(error: unknown): void {
    if (this.isOff) return;
    this.isOff = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.warn(`No more pages of the cache are written to ${this.options.folder}: ${reason}`);
  }

  private path(hash: number): string {
    return join(this.options.folder, `${this.prefix}${hex(hash)}.kv`);
  }

  /** A page's bytes in every layer, where they lie. */
  private pageOf(page: number): Uint8Array[] {
    return this.layers.map(({ arena, pointer, bytes }) => arena.bytes(pointer + page * bytes, bytes));
  }
}

/** Says which files a model consists of, and that they have not changed since. */
export function identityOf(path: string): string {
  const stat = statSync(path);
  if (!stat.isDirectory()) return `${path} ${stat.size} ${stat.mtimeMs}`;
  return readdirSync(path)
    .sort()
    .map((name) => {
      const file = statSync(join(path, name), { throwIfNoEntry: false });
      return `${name} ${file?.size} ${file?.mtimeMs}`;
    })
    .join('\n');
}

function headerOf(parent: number, tokens: readonly number[]): Uint8Array {
  const words = new Uint32Array(HEADER);
  words[1] = FORMAT;
  words[2] = parent >>> 0;
  words[3] = Math.floor(parent / 2 ** 32);
  words.set(tokens, 4);
  return new Uint8Array(words.buffer);
}

/** Of everything behind the checksum itself. */
function checksum([header, ...layers]: readonly Uint8Array[]): number {
  return layers.reduce((sum, layer) => crc32(layer, sum), crc32(header.subarray(4)));
}

function hex(hash: number): string {
  return hash.toString(16).padStart(14, '0');
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

function readAll(file: number, bytes: Uint8Array): void {
  if (fstatSync(file).size < bytes.length) throw new Error('cut short');
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(file, bytes, done, bytes.length - done, null);
    if (read === 0) throw new Error('cut short');
    done += read;
  }
}
