/**
 * Tables in text: CSV with commas or semicolons, and TSV, the names of the columns in the first line. Fields in
 * double quotes may hold delimiters, line ends and doubled quotes (RFC 4180). A quote that is never closed costs its
 * own line and not the rest of the file.
 */
import { KaiwenError } from '../../errors.js';
import { type Line, readLines } from './lines.js';
import type { RawRecord, ReadProgress } from './record.js';

/** How far a quoted field may reach before its quote counts as a mistake. */
const MAX_LINES = 10_000;
const MAX_CHARS = 4 << 20;

/** Throws KaiwenError 'bad_file' if the first line names no columns, or one twice. */
export async function* readCsv(path: string, progress: ReadProgress): AsyncGenerator<RawRecord> {
  const lines = new LineQueue(readLines(path, progress));
  const first = await lines.next();
  if (!first) return;
  const header = (first.text ?? '').replace(/^\uFEFF/, '');
  const delimiter = delimiterOf(header);
  const names = parseRecord([header], delimiter);
  if (!Array.isArray(names)) throw badHeader(path, 'the first line, the names of the columns, is not readable');
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badHeader(path, `two columns are called ${JSON.stringify(twice)}`);

  for (let line = await lines.next(); line; line = await lines.next()) {
    const { number, text, fault } = line;
    if (fault !== undefined) {
      yield { line: number, fault };
      continue;
    }
    if (text!.trim() === '') continue;
    const fields = await record(lines, line, delimiter);
    if (typeof fields === 'string') yield { line: number, fault: fields };
    else if (fields.length !== names.length) {
      yield { line: number, fault: `it has ${count(fields.length)}, the header has ${count(names.length)}` };
    } else yield { line: number, value: Object.fromEntries(names.map((name, i) => [name, fields[i]])) };
  }
}

/** The fields of the record that begins on a line, or what is wrong with it. Lines that turn out not to belong to it are put back. */
async function record(lines: LineQueue, first: Line, delimiter: string): Promise<string[] | string> {
  const texts = [first.text!];
  const taken: Line[] = [];
  let chars = first.text!.length;
  let open = opensQuote(first.text!, false, delimiter);
  while (open) {
    const next = taken.length < MAX_LINES && chars < MAX_CHARS ? await lines.next() : undefined;
    if (next) taken.push(next);
    if (next?.text === undefined) {
      lines.putBack(taken);
      return 'a quoted field that begins here does not end';
    }
    texts.push(next.text);
    chars += next.text.length;
    open = opensQuote(next.text, true, delimiter);
  }
  const fields = parseRecord(texts, delimiter);
  if (typeof fields === 'string') lines.putBack(taken);
  return fields;
}

/** Whether a quoted field is open at the end of a line, given whether one was at its beginning. */
function opensQuote(line: string, open: boolean, delimiter: string): boolean {
  let at = 0;
  for (;;) {
    if (!open) {
      while (line[at] !== '"') {
        const next = line.indexOf(delimiter, at);
        if (next < 0) return false;
        at = next + 1;
      }
      at++;
      open = true;
    }
    const quote = line.indexOf('"', at);
    if (quote < 0) return true;
    at = quote + 1;
    if (line[at] === '"') at++;
    else {
      open = false;
      const next = line.indexOf(delimiter, at);
      if (next < 0) return false;
      at = next + 1;
    }
  }
}

function parseRecord(lines: readonly string[], delimiter: string): string[] | string {
  const text = lines.join('\n');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let end: number;
    if (text[at] === '"') {
      let field = '';
      for (;;) {
        const quote = text.indexOf('"', at + 1);
        if (quote < 0) return 'a quoted field that begins here does not end';
        field += text.slice(at + 1, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        field += '"';
      }
      end = at;
      if (end < text.length && text[end] !== delimiter) {
        return `a quoted field is followed by ${JSON.stringify(text.slice(end, end + 10))} and not by ${JSON.stringify(delimiter)}`;
      }
      fields.push(field);
    } else {
      end = text.indexOf(delimiter, at);
      if (end < 0) end = text.length;
      fields.push(text.slice(at, end));
    }
    if (end >= text.length) return fields;
    at = end + 1;
  }
}

/** The delimiter that the header has most of, outside quotes. */
function delimiterOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = [',', ';', '\t'].map((delimiter) => ({ delimiter, count: bare.split(delimiter).length }));
  return counts.sort((a, b) => b.count - a.count)[0].delimiter;
}

class LineQueue {
  readonly #lines: AsyncGenerator<Line>;
  readonly #back: Line[] = [];

  constructor(lines: AsyncGenerator<Line>) {
    this.#lines = lines;
  }

  async next(): Promise<Line | undefined> {
    const back = this.#back.pop();
    if (back) return back;
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }

  putBack(lines: readonly Line[]): void {
    for (let i = lines.length - 1; i >= 0; i--) this.#back.push(lines[i]);
  }
}

const count = (fields: number): string => `${fields} field${fields === 1 ? '' : 's'}`;

function badHeader(path: string, what: string): KaiwenError {
  return new KaiwenError('bad_file', `${path}: ${what}.`, { remedy: 'Mend the first line of the table.' });
}
