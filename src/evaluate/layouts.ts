/**
 * Files of items. CSV is multiple choice: MMLU's (question, four choices, letter; no header) or C-Eval's (a header with
 * id, question, A to D, answer). JSONL is told apart by its fields, record by record: GSM8K (question, answer with
 * "#### 42"), HumanEval (task_id, prompt, test, entry_point), function calls (messages, tools, expected_calls), texts
 * (text), conversations (messages), or the user's own (prompt or messages, expected, match or choices). Anything else is a text.
 */
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { readError } from '../data/readers/lines.js';
import { KaiwenError } from '../errors.js';
import type { Item } from './item.js';
import { choiceRows } from './layout-choices.js';
import { recordItem } from './layout-records.js';

/** The items of the files in order; ids are made unique. Throws KaiwenError with file and line of the first fault. */
export async function readItems(files: readonly string[]): Promise<Item[]> {
  const items: Item[] = [];
  const seen = new Map<string, number>();
  for (const file of files) {
    for (const item of await itemsOf(file)) {
      const times = (seen.get(item.id) ?? 0) + 1;
      seen.set(item.id, times);
      items.push(times === 1 ? item : { ...item, id: `${item.id}#${times}` });
    }
  }
  if (items.length > 0) return items;
  throw new KaiwenError('bad_input', `There is nothing to evaluate in ${files.join(', ')}.`, {
    remedy: 'Give a file with items.',
  });
}

async function itemsOf(file: string): Promise<Item[]> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw readError(file, cause);
  });
  if (!isUtf8(bytes)) {
    throw new KaiwenError('bad_input', `${file} is not UTF-8.`, {
      remedy: 'Convert it, or mend the bytes that are not.',
    });
  }
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  const domain = domainOf(file);
  const ending = extname(file);
  if (ending === '.csv') return choiceRows(text, file, domain);
  if (ending !== '.jsonl' && ending !== '.ndjson') return text.trim() === '' ? [] : [textItem(text, file)];
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    const where = `${file}: line ${i + 1}`;
    return [recordItem(parse(line, where), where, `${basename(file, ending)}/${i + 1}`)];
  });
}

/** `abstract_algebra_test.csv` is about abstract_algebra. */
function domainOf(file: string): string {
  return basename(file, extname(file)).replace(/[_-](?:test|val|dev|validation)$/, '');
}

function textItem(text: string, file: string): Item {
  const task = { kind: 'text', text, control: false } as const;
  return { id: basename(file), where: file, messages: [], raw: '', reference: '', task };
}

function parse(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new KaiwenError('bad_input', `${where} is not JSON.`, { remedy: 'Write one JSON object a line.', cause });
  }
}
