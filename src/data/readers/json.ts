/**
 * A JSON file as a stream of records: the elements of one large array, objects one after the other, or one object
 * whose field `data` (or the like) lists the records. Only brackets and quotes are looked at here, so that memory
 * holds one record and not the file.
 */
import { KaiwenError } from '../../errors.js';
import { readBytes } from './lines.js';
import type { RawRecord, ReadProgress } from './record.js';

const MAX_RECORD = 64 << 20;
const LISTS = ['data', 'rows', 'examples', 'items', 'train'];

const [QUOTE, BACKSLASH, NEWLINE, COMMA] = [0x22, 0x5c, 0x0a, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Throws KaiwenError 'bad_file' naming the line if the file's brackets do not close: nothing after it could be told apart. */
export async function* readJson(path: string, progress: ReadProgress): AsyncGenerator<RawRecord> {
  let records = 0;
  for await (const { line, json, only } of readValues(path, progress)) {
    records++;
    const list = only && records === 1 ? listIn(json) : undefined;
    if (list) for (const value of list) yield { line, value };
    else yield { line, json };
  }
}

/** The list of records in the one object that a file consists of. */
function listIn(json: string): unknown[] | undefined {
  try {
    const value = JSON.parse(json) as Record<string, unknown>;
    const found = LISTS.map((name) => value[name]).find(Array.isArray);
    return found as unknown[] | undefined;
  } catch {
    return undefined;
  }
}

/** `only`: nothing stands around or after the value. */
async function* readValues(
  path: string,
  progress: ReadProgress,
): AsyncGenerator<{ line: number; json: string; only: boolean }> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  const bad = (at: number, what: string): KaiwenError =>
    new KaiwenError('bad_file', `${path}:${at}: ${what}.`, {
      remedy: 'Mend the file; in JSONL, one record a line, a bad record costs only itself.',
    });
  let inArray = false;
  let ended = false;
  let first = true;
  let line = 1;
  // The value under way: where it began, its brackets and its bytes from earlier chunks.
  let start = -1;
  let startLine = 0;
  let depth = 0;
  let quoted = false;
  let escaped = false;
  let parts: Uint8Array[] = [];
  let size = 0;
  let held: { line: number; json: string } | undefined;
  const finish = (last: Uint8Array): { line: number; json: string } => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    parts = [];
    size = 0;
    start = -1;
    try {
      return { line: startLine, json: utf8.decode(bytes) };
    } catch {
      throw bad(startLine, 'the record that begins here is not UTF-8');
    }
  };
  for await (const chunk of readBytes(path, progress)) {
    if (start >= 0) start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte === NEWLINE) line++;
      if (quoted) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) quoted = false;
        continue;
      }
      const space = byte <= 0x20 || (first && (byte === 0xef || byte === 0xbb || byte === 0xbf));
      if (start < 0) {
        if (space) continue;
        if (ended) throw bad(line, 'something follows the end of the list');
        if (first && byte === OPEN_LIST) {
          first = false;
          inArray = true;
          continue;
        }
        first = false;
        if (byte === COMMA && inArray) continue;
        if (byte === CLOSE_LIST && inArray) {
          ended = true;
          continue;
        }
        if (!inArray && byte !== OPEN_OBJECT) throw bad(line, 'a JSON file holds a list of records or objects');
        start = i;
        startLine = line;
      }
      if (byte === QUOTE) quoted = true;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
      else if (byte === CLOSE_OBJECT || (byte === CLOSE_LIST && depth > 0)) {
        if (--depth < 0) throw bad(line, 'a bracket closes that was not opened');
        if (depth > 0) continue;
        if (held) yield { ...held, only: false };
        held = finish(chunk.subarray(start, i + 1));
      } else if (depth === 0 && (byte === COMMA || byte === CLOSE_LIST)) {
        // A value without brackets; whoever looks at it will say what is wrong.
        if (held) yield { ...held, only: false };
        held = finish(chunk.subarray(start, i));
        ended = byte === CLOSE_LIST;
      }
    }
    if (start < 0) continue;
    const part = chunk.subarray(start);
    parts.push(part);
    size += part.length;
    if (size > MAX_RECORD) throw bad(startLine, `the record that begins here is longer than ${MAX_RECORD >> 20} MiB`);
  }
  if (start >= 0) throw bad(startLine, 'the record that begins here does not end');
  if (held) yield { ...held, only: !inArray };
  if (inArray && !ended) throw bad(line, 'the list does not end; the file is cut off');
}
