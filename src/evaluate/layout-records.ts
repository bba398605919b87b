/** A JSONL record as an item, in the layout that its fields say. */
import { Fault } from '../data/example.js';
import { isObject, readMessages, readTools } from '../data/messages.js';
import { KaiwenError } from '../errors.js';
import type { Json } from '../formats/checkpoint.js';
import type { TemplateMessage, ToolCall } from '../tokenizer/chat-template.js';
import type { Item, Match } from './item.js';
import { choiceItem } from './layout-choices.js';
import { pattern } from './match.js';

type Fields = Record<string, unknown>;
/** What every item has beside its task. */
type Origin = Pick<Item, 'id' | 'where' | 'domain' | 'language'>;

const MATCHES: readonly Match[] = ['exact', 'contains', 'numeric', 'regex'];

/** `id`: for a record that brings none. Throws KaiwenError 'bad_input' that names the place. */
export function recordItem(value: unknown, where: string, id: string): Item {
  if (!isObject(value)) throw bad(where, 'is not an object', 'Write one JSON object a line.');
  const own = value.id ?? value.task_id;
  const origin: Origin = {
    id: typeof own === 'string' || typeof own === 'number' ? String(own) : id,
    where,
    ...(typeof value.domain === 'string' && { domain: value.domain }),
    ...(typeof value.language === 'string' && { language: value.language }),
  };
  if (typeof value.test === 'string' && typeof value.prompt === 'string') return codeItem(value, origin);
  if (value.expected_calls !== undefined) return callItem(value, origin);
  if (Array.isArray(value.choices)) {
    const question = value.prompt ?? value.question;
    return choiceItem({ ...origin, question, choices: value.choices, answer: value.answer ?? value.expected });
  }
  if (typeof value.question === 'string' && typeof value.answer === 'string') return mathItem(value, origin);
  if (value.expected !== undefined) return answerItem(value, origin);
  if (typeof value.text === 'string') {
    const task = { kind: 'text', text: value.text, control: value.control === true } as const;
    return { ...origin, messages: [], raw: '', reference: '', task };
  }
  if (value.messages !== undefined) return conversationItem(value, origin);
  throw bad(
    where,
    'is in no layout that is known',
    'Give prompt or messages with expected, choices or expected_calls; question with answer; messages; or text.',
  );
}

/** HumanEval (arXiv:2107.03374); a task_id that begins with JavaScript or JS runs in Node. */
function codeItem(value: Fields, origin: Origin): Item {
  const prefix = value.prompt as string;
  const program = /^(javascript|js)\b/i.test(origin.id) || value.program === 'javascript' ? 'javascript' : 'python';
  const entryPoint = typeof value.entry_point === 'string' ? value.entry_point : undefined;
  const ask = `Complete this ${program === 'python' ? 'Python' : 'JavaScript'} program. Answer with the whole code in one block.`;
  return {
    domain: program,
    ...origin,
    messages: [{ role: 'user', content: `${ask}\n\`\`\`${program}\n${prefix}\n\`\`\`` }],
    raw: prefix,
    reference: typeof value.canonical_solution === 'string' ? value.canonical_solution : '',
    task: { kind: 'code', program, prefix, tests: value.test as string, entryPoint },
  };
}

function callItem(value: Fields, origin: Origin): Item {
  const list = Array.isArray(value.expected_calls) ? (value.expected_calls as unknown[]) : [value.expected_calls];
  const expected = list.map((call): ToolCall => {
    const inner = isObject(call) && isObject(call.function) ? call.function : call;
    if (!isObject(inner) || typeof inner.name !== 'string') {
      throw bad(origin.where, 'has an expected call without a name', 'A call is {"name": …, "arguments": {…}}.');
    }
    return { name: inner.name, arguments: argumentsOf(inner.arguments ?? {}, origin.where) };
  });
  const messages = messagesOf(value, origin.where);
  const { tools } = inPlace(origin.where, () => readTools(value.tools));
  const reference = expected.map((call) => `<tool_call>\n${JSON.stringify(call)}\n</tool_call>`).join('\n');
  const task = { kind: 'calls', expected } as const;
  return { ...origin, messages, ...(tools && { tools }), raw: rawOf(messages), reference, task };
}

/** Arguments, or the text of them. */
function argumentsOf(given: unknown, where: string): Json {
  if (typeof given !== 'string') return given as Json;
  try {
    return JSON.parse(given) as Json;
  } catch {
    throw bad(where, 'has an expected call whose arguments are not JSON', 'Write them as an object.');
  }
}

/** GSM8K (arXiv:2110.14168): the result stands behind "####". */
function mathItem(value: Fields, origin: Origin): Item {
  const [question, answer] = [value.question as string, value.answer as string];
  const result = /####\s*(.+?)\s*$/.exec(answer)?.[1];
  return {
    ...origin,
    messages: [{ role: 'user', content: question }],
    raw: `Question: ${question}\nAnswer:`,
    reference: answer,
    task: { kind: 'answer', expected: [result ?? answer], match: result === undefined ? 'exact' : 'numeric' },
  };
}

function answerItem(value: Fields, origin: Origin): Item {
  const expected = (Array.isArray(value.expected) ? (value.expected as unknown[]) : [value.expected]).map(String);
  const match = value.match ?? 'exact';
  if (!MATCHES.includes(match as Match)) {
    throw bad(
      origin.where,
      `has the match ${JSON.stringify(match)}`,
      `It may be ${MATCHES.join(', ')}, or give choices.`,
    );
  }
  if (match === 'regex') inPlace(origin.where, () => expected.map(pattern));
  const messages = messagesOf(value, origin.where);
  const { tools } = inPlace(origin.where, () => readTools(value.tools));
  const task = { kind: 'answer', expected, match: match as Match } as const;
  return { ...origin, messages, ...(tools && { tools }), raw: rawOf(messages), reference: expected[0] ?? '', task };
}

/** Data for fine-tuning, as it is. */
function conversationItem(value: Fields, origin: Origin): Item {
  const messages = messagesOf(value, origin.where);
  const { tools } = inPlace(origin.where, () => readTools(value.tools));
  if (!messages.some(({ role }) => role === 'assistant')) {
    throw bad(origin.where, 'has neither an answer nor what is expected', 'Give expected, or an assistant message.');
  }
  const task = { kind: 'conversation' } as const;
  return { ...origin, messages, ...(tools && { tools }), raw: '', reference: '', task };
}

function messagesOf(value: Fields, where: string): TemplateMessage[] {
  const { prompt, system } = value;
  if (typeof prompt === 'string') {
    const before: TemplateMessage[] = typeof system === 'string' ? [{ role: 'system', content: system }] : [];
    return [...before, { role: 'user', content: prompt }];
  }
  return inPlace(where, () => readMessages(value.messages, 'messages'));
}

/** The conversation without a template: its texts, one after the other. */
function rawOf(messages: readonly TemplateMessage[]): string {
  return messages.map(({ content }) => content).join('\n');
}

function inPlace<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof KaiwenError)) throw error;
    throw bad(where, `is wrong: ${error.message.replace(/\.$/, '')}`, error.remedy ?? 'Correct the line.');
  }
}

function bad(where: string, what: string, remedy: string): KaiwenError {
  return new KaiwenError('bad_input', `${where} ${what}.`, { remedy });
}
