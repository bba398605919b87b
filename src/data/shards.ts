/**
 * Tokenised documents on disk: a folder of binary shards and `shards.json`, which says what they hold.
 *
 * A shard is a header of 32 bytes (magic, version, bytes of an id, whether there are weights, documents, tokens; u32,
 * little-endian), the end of each document in tokens (u32), the source of each (u32), the ids (u16 where the
 * vocabulary has at most 65,536, else u32) and the loss weights (u8, 255 = 1; absent in plain text).
 * Shards appear whole or not at all, with a hash each that is checked when the folder is opened. Only the ends of
 * documents are held in memory; ids are read where they are wanted.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import { exists, RandomAccessFile } from '../formats/file.js';
import { OutputFile, replaceTarget } from '../formats/output.js';
import { Growing } from './growing.js';

export interface TokenDocument {
  ids: Uint32Array | Uint16Array;
  /** Of each token as a target, 255 = 1. Absent: 1 for all. */
  weights?: Uint8Array;
  /** Index in the list of sources. */
  source: number;
}

/** `pairs`: two documents each, chosen and rejected. */
export type ShardKind = 'text' | 'chat' | 'pairs';

/** Where documents came from. */
export interface Source {
  name: string;
  licence?: string;
}

export interface ShardEntry {
  file: string;
  documents: number;
  tokens: number;
  /** Tokens that are targets with a weight above 0. */
  learned: number;
  bytes: number;
  sha256: string;
}

/** What `shards.json` holds. */
export interface ShardIndex {
  format: 'kaiwen-shards';
  version: 1;
  kind: ShardKind;
  vocabSize: number;
  idBytes: 2 | 4;
  weights: boolean;
  /** Identifies the tokenizer and the chat template. */
  tokenizer: string;
  documents: number;
  tokens: number;
  learned: number;
  sources: Source[];
  shards: ShardEntry[];
  /** Over everything above. */
  hash: string;
}

export type ShardLayout = Pick<ShardIndex, 'kind' | 'vocabSize' | 'tokenizer'>;

const MAGIC = 0x4853574b; // "KWSH"
const VERSION = 1;
const HEADER = 32;
const INDEX = 'shards.json';

if (endianness() !== 'LE') throw new KaiwenError('unsupported', 'Shards need a little-endian processor.');

/** Collects documents and writes a shard whenever enough tokens are there. */
export class ShardWriter {
  readonly entries: ShardEntry[];
  readonly #folder: string;
  readonly #layout: ShardLayout;
  readonly #shardTokens: number;
  readonly #ids: Growing<Uint16Array | Uint32Array>;
  readonly #weights = new Growing(Uint8Array);
  readonly #ends = new Growing(Uint32Array);
  readonly #sources = new Growing(Uint32Array);
  #tokens = 0;
  #learned = 0;

  /** @param entries the shards that are in the folder already  @param shardTokens a shard is written at so many tokens */
  constructor(folder: string, layout: ShardLayout, entries: readonly ShardEntry[] = [], shardTokens = 16 << 20) {
    this.#folder = folder;
    this.#layout = layout;
    this.#shardTokens = shardTokens;
    this.#ids = new Growing<Uint16Array | Uint32Array>(idBytes(layout.vocabSize) === 2 ? Uint16Array : Uint32Array);
    this.entries = [...entries];
  }

  /** Whether enough is collected for a shard; `write` is then due, at a moment the caller likes. */
  get full(): boolean {
    return this.#tokens >= this.#shardTokens;
  }

  add(ids: ArrayLike<number>, weights: ArrayLike<number> | undefined, source: number): void {
    for (let i = 0; i < ids.length; i++) this.#ids.push(ids[i]);
    if (this.#layout.kind !== 'text') {
      for (let i = 0; i < ids.length; i++) this.#weights.push(weights ? weights[i] : 255);
    }
    for (let i = 1; i < ids.length; i++) if (!weights || weights[i] > 0) this.#learned++;
    this.#tokens += ids.length;
    this.#ends.push(this.#tokens);
    this.#sources.push(source);
  }

  /** Writes what is collected as the next shard, if there is anything. Throws KaiwenError 'io'. */
  async write(): Promise<void> {
    if (this.#ends.length === 0) return;
    const documents = this.#ends.length;
    const weights = this.#layout.kind !== 'text';
    const header = Uint32Array.of(
      MAGIC,
      VERSION,
      idBytes(this.#layout.vocabSize),
      Number(weights),
      documents,
      this.#tokens,
      0,
      0,
    );
    const parts = [header, this.#ends.view, this.#sources.view].map(bytesOf);
    parts.push(bytesOf(this.#ids.view));
    if (weights) parts.push(bytesOf(this.#weights.view));
    const file = `shard-${String(this.entries.length).padStart(5, '0')}.bin`;
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    await writeWhole(join(this.#folder, file), parts);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    this.entries.push({
      file,
      documents,
      tokens: this.#tokens,
      learned: this.#learned,
      bytes,
      sha256: hash.digest('hex'),
    });
    for (const collected of [this.#ids, this.#weights, this.#ends, this.#sources]) collected.clear();
    this.#tokens = 0;
    this.#learned = 0;
  }

  /** Writes the rest and the index. */
  async finish(sources: readonly Source[]): Promise<ShardIndex> {
    await this.write();
    const { kind, vocabSize, tokenizer } = this.#layout;
    const sum = (field: 'documents' | 'tokens' | 'learned') =>
      this.entries.reduce((total, entry) => total + entry[field], 0);
    const content = {
      format: 'kaiwen-shards' as const,
      version: 1 as const,
      kind,
      vocabSize,
      idBytes: idBytes(vocabSize),
      weights: kind !== 'text',
      tokenizer,
      documents: sum('documents'),
      tokens: sum('tokens'),
      learned: sum('learned'),
      sources: [...sources],
      shards: this.entries,
    };
    const index: ShardIndex = { ...content, hash: hashOf(content) };
    await writeWhole(join(this.#folder, INDEX), [new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`)]);
    return index;
  }
}

/** Reads documents in any order. */
export class ShardReader implements Disposable {
  readonly index: ShardIndex;
  readonly documents: number;
  readonly tokens: number;
  readonly hash: string;
  readonly #shards: OpenShard[] = [];

  /**
   * @param verify read every shard once and compare its hash; sizes and headers are always checked
   * @throws KaiwenError 'not_found', 'bad_file' naming the shard that is damaged
   */
  constructor(folder: string, { verify = true }: { verify?: boolean } = {}) {
    this.index = readIndex(folder);
    this.documents = this.index.documents;
    this.tokens = this.index.tokens;
    this.hash = this.index.hash;
    try {
      let first = 0;
      for (const entry of this.index.shards) {
        this.#shards.push(openShard(join(folder, entry.file), entry, this.index, first, verify));
        first += entry.documents;
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get kind(): ShardKind {
    return this.index.kind;
  }

  /** How many tokens document `i` has. */
  length(i: number): number {
    const { shard, at } = this.#find(i);
    return shard.ends[at] - (at === 0 ? 0 : shard.ends[at - 1]);
  }

  document(i: number): TokenDocument {
    const { shard, at } = this.#find(i);
    const start = at === 0 ? 0 : shard.ends[at - 1];
    const length = shard.ends[at] - start;
    const ids = this.index.idBytes === 2 ? new Uint16Array(length) : new Uint32Array(length);
    shard.file.read(bytesOf(ids), shard.idsAt + start * this.index.idBytes);
    for (const id of ids) if (id >= this.index.vocabSize) throw damaged(shard.file.path, `it holds the id ${id}`);
    if (!this.index.weights) return { ids, source: shard.sources[at] };
    const weights = new Uint8Array(length);
    shard.file.read(weights, shard.weightsAt + start);
    return { ids, weights, source: shard.sources[at] };
  }

  close(): void {
    for (const { file } of this.#shards) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #find(i: number): { shard: OpenShard; at: number } {
    if (!Number.isInteger(i) || i < 0 || i >= this.documents) {
      throw new KaiwenError('bad_input', `There is no document ${i}; there are ${this.documents}.`);
    }
    let low = 0;
    let high = this.#shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#shards[middle].first <= i) low = middle;
      else high = middle - 1;
    }
    const shard = this.#shards[low];
    return { shard, at: i - shard.first };
  }
}

/** Whether a folder holds finished shards. */
export function isShardFolder(folder: string): boolean {
  return exists(join(folder, INDEX));
}

interface OpenShard {
  file: RandomAccessFile;
  /** Index of its first document. */
  first: number;
  ends: Uint32Array;
  sources: Uint32Array;
  idsAt: number;
  weightsAt: number;
}

function readIndex(folder: string): ShardIndex {
  const path = join(folder, INDEX);
  if (!exists(path)) {
    throw new KaiwenError('not_found', `${folder}: there is no ${INDEX}.`, {
      remedy: 'Give a folder that `kaiwen data prepare` finished, its train or validation part.',
    });
  }
  let index: ShardIndex;
  try {
    index = JSON.parse(readFileSync(path, 'utf8')) as ShardIndex;
  } catch (cause) {
    throw damaged(path, `it is not JSON (${(cause as Error).message.slice(0, 80)})`);
  }
  if (index?.format !== 'kaiwen-shards' || !Array.isArray(index.shards)) throw damaged(path, 'it lists no shards');
  if (index.version !== VERSION) {
    throw new KaiwenError('unsupported', `${path}: version ${index.version} of the format is not known.`, {
      remedy: 'Prepare the data again.',
    });
  }
  const { hash, ...content } = index;
  if (hash !== hashOf(content)) throw damaged(path, 'its hash does not fit what it says');
  return index;
}

function openShard(path: string, entry: ShardEntry, index: ShardIndex, first: number, verify: boolean): OpenShard {
  if (!exists(path)) throw damaged(path, 'it is missing');
  const file = new RandomAccessFile(path);
  try {
    if (file.size !== entry.bytes) throw damaged(path, `it has ${file.size} bytes and should have ${entry.bytes}`);
    if (verify && hashFile(file) !== entry.sha256) throw damaged(path, 'its content does not fit its hash');
    const header = new Uint32Array(HEADER / 4);
    file.read(bytesOf(header), 0);
    const expected = [MAGIC, VERSION, index.idBytes, Number(index.weights), entry.documents, entry.tokens];
    if (expected.some((value, i) => header[i] !== value)) throw damaged(path, 'its header is not what the index says');
    const ends = new Uint32Array(entry.documents);
    const sources = new Uint32Array(entry.documents);
    file.read(bytesOf(ends), HEADER);
    file.read(bytesOf(sources), HEADER + ends.byteLength);
    let end = 0;
    for (const next of ends) {
      if (next < end) throw damaged(path, 'its documents overlap');
      end = next;
    }
    if (end !== entry.tokens) throw damaged(path, 'its documents do not end where its tokens do');
    const idsAt = HEADER + ends.byteLength + sources.byteLength;
    return { file, first, ends, sources, idsAt, weightsAt: idsAt + entry.tokens * index.idBytes };
  } catch (error) {
    file.close();
    throw error;
  }
}

function hashFile(file: RandomAccessFile): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(file.size, 8 << 20));
  for (let at = 0; at < file.size; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, file.size - at));
    file.read(piece, at);
    hash.update(piece);
  }
  return hash.digest('hex');
}

function damaged(path: string, what: string): KaiwenError {
  return new KaiwenError('bad_file', `${path}: the shard is damaged, ${what}.`, {
    remedy: 'Prepare the data again, or copy the folder again.',
  });
}

/** Writes a file that appears whole or not at all; an older one is replaced. */
export async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  await replaceTarget(path, { force: true, bytes }, (temporary) =>
    OutputFile.make(temporary, async (file) => {
      for (const part of parts) await file.write(part);
    }),
  );
}

const idBytes = (vocabSize: number): 2 | 4 => (vocabSize <= 65_536 ? 2 : 4);

const hashOf = (content: unknown): string => createHash('sha256').update(JSON.stringify(content)).digest('hex');

/** The memory of an array. */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
