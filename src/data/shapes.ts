/**
 * The shapes that data comes in, told apart by their fields: `messages`, sharegpt (`conversations`), alpaca
 * (`instruction`), prompt and completion, preference pairs (`chosen`, `rejected`) and `text`.
 */
import { type Example, Fault, type Item, type Message } from './example.js';
import { type Fields, isObject, readMessages, readTools, textOf } from './messages.js';

export const SHAPES = ['messages', 'sharegpt', 'alpaca', 'prompt-completion', 'pairs', 'text'] as const;
export type Shape = (typeof SHAPES)[number];

export interface ShapeOptions {
  /** Default: found out for each line by its fields. */
  shape?: Shape;
  /** New names of fields: from the data's name to the shape's. */
  fields?: Readonly<Record<string, string>>;
  /** Prompt and completion, and pairs of strings, are plain text and not turns of a conversation. */
  plain?: boolean;
}

/** Other names under which prompts and completions are met. */
const PROMPTS = ['prompt', 'question', 'query', 'input', '问题'];
const COMPLETIONS = ['completion', 'answer', 'response', 'output', '回答', '答案'];

/** Every field that is looked at, for readers that can leave out columns. */
export const FIELDS: readonly string[] = [
  ...['messages', 'conversations', 'tools', 'system', 'instruction', 'history', 'chosen', 'rejected', 'text'],
  ...['license', 'licence', 'source'],
  ...PROMPTS,
  ...COMPLETIONS,
];

/** The example that a parsed line holds. Throws Fault saying what is wrong with it. */
export function readShape(value: unknown, { shape, fields = {}, plain = false }: ShapeOptions = {}): Item {
  if (!isObject(value)) throw new Fault(`it is ${kindOf(value)}, not an object`, 'Write one JSON object a line.');
  const record = rename(value, fields);
  const example = READERS[shape ?? shapeOf(record)](record, plain);
  const licence = nameIn(record.license) ?? nameIn(record.licence);
  const source = nameIn(record.source);
  return { example, ...(licence && { licence }), ...(source && { source }) };
}

function shapeOf(record: Fields): Shape {
  const has = (name: string) => record[name] !== undefined && record[name] !== null;
  if (has('chosen') && has('rejected')) return 'pairs';
  if (has('messages')) return 'messages';
  if (has('conversations')) return 'sharegpt';
  if (has('instruction')) return 'alpaca';
  if (PROMPTS.some(has) && COMPLETIONS.some(has)) return 'prompt-completion';
  if (has('text')) return 'text';
  const names = Object.keys(record)
    .slice(0, 8)
    .map((name) => name.slice(0, 30));
  throw new Fault(
    `no shape of data has the fields ${names.length ? names.join(', ') : '(none)'}`,
    'Expected messages, conversations, instruction, prompt and completion, chosen and rejected, or text; --field gives a field another name.',
  );
}

const READERS: Readonly<Record<Shape, (record: Fields, plain: boolean) => Example>> = {
  messages: (record) => chat(readMessages(record.messages, 'messages'), record),
  sharegpt(record) {
    const messages = readMessages(record.conversations ?? record.messages, 'conversations');
    const system = textOf(record.system, 'system', '');
    return chat(system ? [{ role: 'system', content: system }, ...messages] : messages, record);
  },
  alpaca(record) {
    const instruction = textOf(record.instruction, 'instruction');
    const input = textOf(record.input, 'input', '');
    const system = textOf(record.system, 'system', '');
    return chat(
      [
        ...(system ? [{ role: 'system' as const, content: system }] : []),
        ...readHistory(record.history),
        { role: 'user', content: input ? `${instruction}\n\n${input}` : instruction },
        ...readMessages([{ role: 'assistant', content: textOf(record.output ?? record.response, 'output') }], 'output'),
      ],
      record,
    );
  },
  'prompt-completion'(record, plain) {
    const [prompt, promptName] = pick(record, PROMPTS);
    const [completion, completionName] = pick(record, COMPLETIONS);
    if (plain && typeof prompt === 'string') {
      return { kind: 'completion', prompt, completion: textOf(completion, completionName) };
    }
    return chat([...turns(prompt, 'user', promptName), ...turns(completion, 'assistant', completionName)], record);
  },
  pairs(record, plain) {
    if (plain && typeof record.prompt === 'string') {
      const [chosen, rejected] = [textOf(record.chosen, 'chosen'), textOf(record.rejected, 'rejected')];
      checkDifferent(chosen, rejected);
      return { kind: 'plain-pair', prompt: record.prompt, chosen, rejected };
    }
    const prompt = record.prompt === undefined || record.prompt === null ? [] : turns(record.prompt, 'user', 'prompt');
    return pair(
      prompt,
      turns(record.chosen, 'assistant', 'chosen'),
      turns(record.rejected, 'assistant', 'rejected'),
      record,
    );
  },
  text: (record) => {
    const text = textOf(record.text, 'text');
    if (text.trim() === '') throw new Fault('the text is empty');
    return { kind: 'text', text };
  },
};

function chat(messages: Message[], record: Fields): Example {
  if (!messages.some(({ role }) => role === 'assistant')) throw new Fault('no message is from the assistant');
  return { kind: 'chat', messages, ...readTools(record.tools) };
}

/** Whole conversations without a prompt of their own share their beginning. */
function pair(prompt: Message[], chosen: Message[], rejected: Message[], record: Fields): Example {
  checkDifferent(JSON.stringify(chosen), JSON.stringify(rejected));
  let shared = 0;
  if (prompt.length === 0) {
    while (JSON.stringify(chosen[shared]) === JSON.stringify(rejected[shared])) shared++;
    prompt = chosen.slice(0, shared);
  }
  const endings = [chosen.slice(shared), rejected.slice(shared)];
  if (prompt.length === 0 || prompt.at(-1)!.role === 'assistant')
    throw new Fault('chosen and rejected answer no prompt');
  for (const [i, ending] of endings.entries()) {
    if (ending.at(-1)?.role !== 'assistant') {
      throw new Fault(`${i === 0 ? 'chosen' : 'rejected'} does not end with the assistant's answer`);
    }
  }
  return { kind: 'pair', prompt, chosen: endings[0], rejected: endings[1], ...readTools(record.tools) };
}

function checkDifferent(chosen: string, rejected: string): void {
  if (chosen === rejected) throw new Fault('chosen and rejected are the same');
}

/** A text as one turn, or the turns that are listed. */
function turns(value: unknown, role: 'user' | 'assistant', name: string): Message[] {
  return readMessages(typeof value === 'string' ? [{ role, content: value }] : value, name);
}

/** Alpaca's earlier turns: pairs of question and answer. */
function readHistory(value: unknown): Message[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Fault('history is not a list');
  return value.flatMap((turn: unknown, i): Message[] => {
    if (!Array.isArray(turn) || turn.length !== 2) throw new Fault(`history[${i}] is not a question and an answer`);
    return [...turns(turn[0], 'user', `history[${i}][0]`), ...turns(turn[1], 'assistant', `history[${i}][1]`)];
  });
}

function pick(record: Fields, names: readonly string[]): [unknown, string] {
  const name = names.find((name) => record[name] !== undefined && record[name] !== null);
  if (name === undefined) throw new Fault(`${names[0]} is missing`);
  return [record[name], name];
}

function rename(record: Fields, fields: Readonly<Record<string, string>>): Fields {
  const names = Object.entries(fields);
  if (names.length === 0) return record;
  const renamed = { ...record };
  for (const [from, to] of names) if (record[from] !== undefined) renamed[to] = record[from];
  return renamed;
}

function nameIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim().slice(0, 200) || undefined;
  return Array.isArray(value) ? nameIn(value[0]) : undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
