/** The tokenised documents of one or several shard folders, as one list. */
import { basename } from 'node:path';
import { type ShardKind, ShardReader } from '../data/shards.js';
import { KaiwenError } from '../errors.js';
import type { Documents, TokenDocument } from './batches.js';

export class Corpus implements Documents, Disposable {
  readonly documents: number;
  readonly tokens: number;
  /** Tokens that are learned from. */
  readonly learned: number;
  readonly kind: ShardKind;
  /** Of the contents, whatever the folders are called. */
  readonly hash: string;
  readonly readers: readonly ShardReader[];
  /** Number of the first document of each reader. */
  readonly #firsts: number[] = [];

  /** Throws KaiwenError 'bad_file' if a shard is damaged, 'bad_input' if the folders do not belong together. */
  constructor(readonly folders: readonly string[]) {
    const readers: ShardReader[] = [];
    try {
      for (const folder of folders) readers.push(new ShardReader(folder));
      this.kind = commonKind(readers, folders);
    } catch (error) {
      for (const reader of readers) reader.close();
      throw error;
    }
    this.readers = readers;
    let documents = 0;
    for (const reader of readers) {
      this.#firsts.push(documents);
      documents += reader.documents;
    }
    this.documents = documents;
    this.tokens = readers.reduce((sum, { tokens }) => sum + tokens, 0);
    this.learned = readers.reduce((sum, { index }) => sum + index.learned, 0);
    this.hash = readers.map(({ hash }) => hash).join('+');
  }

  length(i: number): number {
    const { reader, at } = this.#find(i);
    return reader.length(at);
  }

  document(i: number): TokenDocument {
    const { reader, at } = this.#find(i);
    return reader.document(at);
  }

  describe(i: number): string {
    const { reader, folder, at } = this.#find(i);
    const source = reader.index.sources[reader.document(at).source]?.name;
    return `document ${at} of ${folder}${source === undefined ? '' : ` (${basename(source)})`}`;
  }

  [Symbol.dispose](): void {
    for (const reader of this.readers) reader.close();
  }

  #find(i: number): { reader: ShardReader; folder: string; at: number } {
    let k = this.#firsts.length - 1;
    while (k > 0 && this.#firsts[k] > i) k--;
    return { reader: this.readers[k], folder: this.folders[k], at: i - this.#firsts[k] };
  }
}

/** Texts and conversations may be mixed; pairs only among themselves. */
function commonKind(readers: readonly ShardReader[], folders: readonly string[]): ShardKind {
  const kinds = new Set(readers.map(({ kind }) => kind));
  if (kinds.size === 1) return readers[0].kind;
  if (!kinds.has('pairs')) return 'chat';
  throw new KaiwenError('bad_input', `${folders.join(', ')}: preference pairs beside other data.`, {
    remedy: 'Train on the pairs by themselves, with method dpo.',
  });
}
