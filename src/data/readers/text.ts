/** Plain text and Markdown: a document a file, cut between paragraphs where it is long. */
import { readLines } from './lines.js';
import type { RawRecord, ReadProgress } from './record.js';

/** Characters after which a document ends with its paragraph. */
const LONG = 1 << 20;

export async function* readTextFile(path: string, progress: ReadProgress): AsyncGenerator<RawRecord> {
  let lines: string[] = [];
  let length = 0;
  let first = 1;
  for await (const { number, text, fault } of readLines(path, progress)) {
    if (fault !== undefined) {
      yield { line: number, fault };
      continue;
    }
    const line = number === 1 ? text!.replace(/^\uFEFF/, '') : text!;
    lines.push(line);
    length += line.length + 1;
    if (length < LONG || (line.trim() !== '' && length < 2 * LONG)) continue;
    yield { line: first, value: { text: lines.join('\n') } };
    lines = [];
    length = 0;
    first = number + 1;
  }
  const text = lines.join('\n');
  if (text.trim() !== '') yield { line: first, value: { text } };
}
