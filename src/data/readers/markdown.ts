/** Markdown as text; front matter is taken off, and its licence and source go with the document. */
import { parse } from 'yaml';
import type { RawRecord, ReadProgress } from './record.js';
import { readTextFile } from './text.js';

export async function* readMarkdown(path: string, progress: ReadProgress): AsyncGenerator<RawRecord> {
  let about: object = {};
  for await (const record of readTextFile(path, progress)) {
    const { text } = (record.value ?? {}) as { text?: string };
    const front = record.line === 1 && text ? /^---\r?\n([\s\S]*?)\n---[ \t]*(?:\n|$)/.exec(text) : null;
    if (!text || !front) {
      yield text ? { ...record, value: { ...about, text } } : record;
      continue;
    }
    about = readFront(front[1]);
    const body = text.slice(front[0].length);
    if (body.trim() !== '') yield { ...record, value: { ...about, text: body } };
  }
}

/** Front matter that does not parse is no fault of the text below it. */
function readFront(source: string): object {
  try {
    const { license, licence = license, source: from } = parse(source) as Record<string, unknown>;
    return { ...(typeof licence === 'string' && { licence }), ...(typeof from === 'string' && { source: from }) };
  } catch {
    return {};
  }
}
