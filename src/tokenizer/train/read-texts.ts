/**
 * Reads a corpus piece by piece: plain text in stretches that end where pieces end anyway, JSONL a record a line.
 * Needs the memory of one stretch, or of the longest line.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { KaiwenError } from '../../errors.js';

export interface Texts {
  addBytes(bytes: Buffer): void;
  addText(text: string): void;
}

export interface ReadOptions {
  /** By default a file is JSONL if it ends in .jsonl or .ndjson, and standard input is text. */
  format?: 'text' | 'jsonl';
  /** Fields of a JSONL record whose strings are text, at any depth. */
  fields?: readonly string[];
  onProgress?: (bytesRead: number, totalBytes: number) => void;
}

/** Where the common layouts of records keep their texts. */
export const TEXT_FIELDS = [
  ...['text', 'content', 'thinking', 'reasoning_content', 'prompt', 'completion', 'instruction', 'input', 'output'],
  ...['question', 'answer', 'response', 'value', 'system', 'chosen', 'rejected', 'arguments'],
] as const;

const STRETCH = 1 << 20;
const NEWLINE = 0x0a;

/** Reads all files (`-`: standard input) one after the other. Throws KaiwenError 'not_found', 'io', 'bad_input'. */
export async function readTexts(files: readonly string[], options: ReadOptions, texts: Texts): Promise<void> {
  const sizes = await Promise.all(files.map((file) => (file === '-' ? 0 : sizeOf(file))));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let read = 0;
  for (const file of files) {
    const jsonl = options.format === undefined ? /\.(jsonl|ndjson)$/.test(file) : options.format === 'jsonl';
    const input = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: STRETCH });
    const sink = jsonl ? new Records(file, options.fields ?? TEXT_FIELDS, texts) : new Stretches(texts);
    try {
      for await (const chunk of input as AsyncIterable<Buffer>) {
        sink.push(chunk);
        read += chunk.length;
        options.onProgress?.(read, total);
      }
    } catch (cause) {
      if (cause instanceof KaiwenError) throw cause;
      throw new KaiwenError('io', `${file}: cannot be read (${(cause as Error).message}).`, {
        remedy: 'Check the file and the disk.',
        cause,
      });
    }
    sink.end();
  }
}

async function sizeOf(file: string): Promise<number> {
  const info = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    const missing = cause.code === 'ENOENT';
    throw new KaiwenError(missing ? 'not_found' : 'io', `${file}: ${missing ? 'no such file' : cause.message}.`, {
      remedy: 'Check the path and its permissions.',
      cause,
    });
  });
  if (!info.isDirectory()) return info.size;
  throw new KaiwenError('bad_input', `${file} is a folder.`, { remedy: `Name its files: ${file}/*.txt` });
}

/** Plain text. Stretches are the same however the bytes arrive. */
class Stretches {
  readonly #texts: Texts;
  readonly #buffer = Buffer.allocUnsafe(STRETCH);
  #used = 0;

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  push(chunk: Buffer): void {
    for (let from = 0; from < chunk.length; ) {
      const taken = chunk.copy(this.#buffer, this.#used, from);
      this.#used += taken;
      from += taken;
      if (this.#used === STRETCH) this.#flush(boundary(this.#buffer));
    }
  }

  end(): void {
    if (this.#used > 0) this.#flush(this.#used);
  }

  #flush(end: number): void {
    this.#texts.addBytes(this.#buffer.subarray(0, end));
    this.#buffer.copyWithin(0, end, this.#used);
    this.#used -= end;
  }
}

/**
 * The last place behind a newline and before something printable: no pre-tokeniser of ours joins the two. In a
 * megabyte without one, before the last character.
 */
function boundary(bytes: Buffer): number {
  for (let at = bytes.length - 1; at > 0; at--) {
    if (bytes[at - 1] === NEWLINE && bytes[at]! > 0x20 && bytes[at]! < 0x7f) return at;
  }
  let at = bytes.length - 1;
  while (at > bytes.length - 4 && (bytes[at]! & 0xc0) === 0x80) at--;
  return at;
}

class Records {
  readonly #file: string;
  readonly #fields: ReadonlySet<string>;
  readonly #texts: Texts;
  #parts: Buffer[] = [];
  #line = 0;

  constructor(file: string, fields: readonly string[], texts: Texts) {
    this.#file = file;
    this.#fields = new Set(fields);
    this.#texts = texts;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let end: number; (end = chunk.indexOf(NEWLINE, from)) >= 0; from = end + 1) {
      this.#parts.push(chunk.subarray(from, end));
      this.#take();
    }
    if (from < chunk.length) this.#parts.push(chunk.subarray(from));
  }

  end(): void {
    if (this.#parts.length > 0) this.#take();
  }

  #take(): void {
    this.#line++;
    const line = (this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)).toString('utf8').trim();
    this.#parts = [];
    if (line === '') return;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (cause) {
      throw new KaiwenError('bad_input', `${this.#file}: line ${this.#line} is not JSON.`, {
        remedy: 'Write one JSON value a line, or pass --format text.',
        cause,
      });
    }
    this.#visit(record, true);
  }

  /** Counts the strings in fields that hold text; a record may itself be a string. */
  #visit(value: unknown, wanted: boolean): void {
    if (typeof value === 'string') {
      if (wanted) this.#texts.addText(value);
    } else if (Array.isArray(value)) {
      for (const item of value) this.#visit(item, wanted);
    } else if (typeof value === 'object' && value !== null) {
      for (const [field, item] of Object.entries(value)) this.#visit(item, this.#fields.has(field));
    }
  }
}
