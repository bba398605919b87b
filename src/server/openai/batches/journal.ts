/**
 * The results of a batch as they come: one line of JSON each in a file that only grows. A line counts once it is on the
 * disk as a whole, so that after any end of the process each request has its result there once or is still to be done.
 * A write that fails, on a full disk, is taken back to the last whole line and may be tried again.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { eachLine } from './lines.js';

export interface JournalEntry {
  /** Of the input, from 0. */
  line: number;
  ok: boolean;
  /** The line of the output or error file. */
  result: object;
}

interface Waiting {
  entry: JournalEntry;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class Journal {
  /** Lines that have their result. */
  readonly done = new Set<number>();
  completed = 0;
  failed = 0;
  #size = 0;
  #waiting: Waiting[] = [];
  #writing?: Promise<void>;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** Opens or begins the journal at `path`; a last line that was cut off is taken away. */
  static async open(path: string): Promise<Journal> {
    const file = await open(path, 'a+', 0o600);
    const journal = new Journal(path, file);
    for await (const { entry, end } of journal.#lines()) {
      journal.#count(entry);
      journal.#size = end;
    }
    await file.truncate(journal.#size);
    return journal;
  }

  /** Resolves once the entry is on the disk. Those that come together share a write and a sync. */
  append(entry: JournalEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  async *entries(): AsyncGenerator<JournalEntry> {
    for await (const { entry } of this.#lines()) yield entry;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.file.close();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0);
      const bytes = Buffer.from(group.map(({ entry }) => `${JSON.stringify(entry)}\n`).join(''));
      try {
        for (let at = 0; at < bytes.length; ) at += (await this.file.write(bytes, at)).bytesWritten;
        await this.file.datasync();
      } catch (error) {
        // What part of it is there must go, or the next line would be glued to it.
        await this.file.truncate(this.#size).catch(() => {});
        for (const { reject } of group) reject(error);
        continue;
      }
      this.#size += bytes.length;
      for (const { entry, resolve } of group) {
        this.#count(entry);
        resolve();
      }
    }
    this.#writing = undefined;
  }

  #count({ line, ok }: JournalEntry): void {
    this.done.add(line);
    if (ok) this.completed++;
    else this.failed++;
  }

  /** Whole lines, and where each ends. The first that is none ends the journal. */
  async *#lines(): AsyncGenerator<{ entry: JournalEntry; end: number }> {
    for await (const { start, bytes, ended } of eachLine(this.path, Number.POSITIVE_INFINITY)) {
      if (!ended || !bytes) return;
      let entry: JournalEntry;
      try {
        entry = JSON.parse(Buffer.from(bytes).toString());
      } catch {
        return;
      }
      yield { entry, end: start + bytes.length + 1 };
    }
  }
}
