/** Multiple choice in CSV: the layouts of MMLU (arXiv:2009.03300) and C-Eval (arXiv:2305.08322). */
import { parse } from 'csv-parse/sync';
import { KaiwenError } from '../errors.js';
import { type Item, letter } from './item.js';

/** Throws KaiwenError 'bad_input' with file and row. */
export function choiceRows(text: string, file: string, domain: string): Item[] {
  const rows = parseRows(text, file);
  const header = rows[0]?.map((name) => name.trim().toLowerCase()) ?? [];
  const named = header.includes('question') && header.includes('answer');
  const column = (name: string): number => header.indexOf(name);
  return rows.slice(named ? 1 : 0).map((row, i) => {
    const number = i + (named ? 2 : 1);
    const where = `${file}: row ${number}`;
    const fields = named
      ? { question: row[column('question')], answer: row[column('answer')], choices: lettered(header, row) }
      : { question: row[0], answer: row.at(-1), choices: row.slice(1, -1) };
    const id = named && column('id') >= 0 ? row[column('id')]! : String(number);
    // C-Eval's rows have an id.
    const language = named && column('id') >= 0 ? 'zh' : 'en';
    return choiceItem({ ...fields, id: `${domain}/${id}`, where, domain, language });
  });
}

function parseRows(text: string, file: string): string[][] {
  try {
    return parse(text, { relax_column_count: true, skip_empty_lines: true });
  } catch (cause) {
    throw new KaiwenError('bad_input', `${file}: ${(cause as Error).message}.`, {
      remedy: 'Write fields with commas between them, in double quotes where they hold commas or line ends.',
      cause,
    });
  }
}

/** The columns A, B, C … that have something in this row. */
function lettered(header: readonly string[], row: readonly string[]): string[] {
  const choices: string[] = [];
  for (let i = 0; i < 26; i++) {
    const at = header.indexOf(letter(i).toLowerCase());
    if (at < 0) break;
    choices.push(row[at] ?? '');
  }
  return choices;
}

interface ChoiceFields {
  id: string;
  where: string;
  domain?: string;
  language?: string;
  question: unknown;
  choices: readonly unknown[];
  /** A letter, the index of a choice, or its text. */
  answer: unknown;
}

const WORDS = {
  en: { ask: 'Answer with the letter of the right choice.', answer: 'Answer:' },
  zh: { ask: '请只回答正确选项的字母。', answer: '答案：' },
};

/** Throws KaiwenError 'bad_input' for an answer that is none of the choices. */
export function choiceItem({ question, choices, answer, language, ...rest }: ChoiceFields): Item {
  const texts = choices.map(String);
  const index = indexOf(answer, texts);
  if (typeof question !== 'string' || question === '' || texts.length < 2 || texts.length > 26 || index < 0) {
    throw new KaiwenError('bad_input', `${rest.where} is no question with choices and an answer among them.`, {
      remedy: 'Give a question, 2 to 26 choices, and the letter, index or text of the right one.',
    });
  }
  const { ask, answer: cue } = language?.startsWith('zh') ? WORDS.zh : WORDS.en;
  const lines = [question, ...texts.map((text, i) => `${letter(i)}. ${text}`)].join('\n');
  return {
    ...rest,
    ...(language !== undefined && { language }),
    messages: [{ role: 'user', content: `${lines}\n${ask}` }],
    raw: `${lines}\n${cue}`,
    reference: letter(index),
    task: { kind: 'choice', question, choices: texts, answer: index },
  };
}

function indexOf(answer: unknown, choices: readonly string[]): number {
  if (typeof answer === 'number') return Number.isInteger(answer) && answer < choices.length ? answer : -1;
  if (typeof answer !== 'string') return -1;
  const text = answer.trim();
  const exact = choices.indexOf(text);
  const named = /^[A-Za-z]$/.test(text) ? text.toUpperCase().charCodeAt(0) - 65 : -1;
  return named >= 0 && named < choices.length ? named : exact;
}
