/**
 * Arithmetic with a calculator on offer: the model must call it, with the expression as it was asked for, and then
 * say what came back. Without one, sums too large for it are answered with "I don't know" (see unknown.ts).
 */
import { heldOut } from './numbers.js';
import { fill, type Random } from './random.js';
import type { Language } from './topic.js';

export interface Calculation {
  language: Language;
  ask: string;
  expression: string;
  result: string;
  statement: string;
  guess: string;
}

const SIGNS = ['+', '-', '*', '/'] as const;

const ASKS: Record<Language, Record<(typeof SIGNS)[number], readonly string[]>> = {
  en: {
    '+': ['What is {a} + {b}?', 'What is {a} plus {b}?', 'Add {a} and {b}.', '{a} + {b} = ?', 'How much is {a} + {b}?'],
    '-': [
      'What is {a} - {b}?',
      'What is {a} minus {b}?',
      'Calculate {a} - {b}.',
      '{a} - {b} = ?',
      'How much is {a} minus {b}?',
    ],
    '*': [
      'What is {a} * {b}?',
      'What is {a} times {b}?',
      'Multiply {a} by {b}.',
      'What is {a} × {b}?',
      'How much is {a} times {b}?',
    ],
    '/': [
      'What is {a} / {b}?',
      'What is {a} divided by {b}?',
      'Divide {a} by {b}.',
      'What is {a} ÷ {b}?',
      '{a} / {b} = ?',
    ],
  },
  zh: {
    '+': ['{a} + {b} 等于多少？', '{a} 加 {b} 等于多少？', '计算 {a} + {b}。', '{a}+{b}=?', '{a}加{b}是多少？'],
    '-': ['{a} - {b} 等于多少？', '{a} 减 {b} 等于多少？', '计算 {a} - {b}。', '{a}-{b}=?', '{a}减{b}是多少？'],
    '*': ['{a} × {b} 等于多少？', '{a} 乘 {b} 等于多少？', '计算 {a} × {b}。', '{a} * {b} = ?', '{a}乘以{b}是多少？'],
    '/': ['{a} ÷ {b} 等于多少？', '{a} 除以 {b} 等于多少？', '计算 {a} ÷ {b}。', '{a} / {b} = ?', '{a}除以{b}是多少？'],
  },
};

const UNSEEN: Record<Language, Record<(typeof SIGNS)[number], readonly string[]>> = {
  en: {
    '+': ['Please calculate {a} plus {b}.', 'Tell me what {a} + {b} is.'],
    '-': ['Please calculate {a} minus {b}.', 'Tell me what {a} - {b} is.'],
    '*': ['Please calculate {a} times {b}.', 'Tell me what {a} * {b} is.'],
    '/': ['Please calculate {a} divided by {b}.', 'Tell me what {a} / {b} is.'],
  },
  zh: {
    '+': ['请问 {a} 加 {b} 等于多少？', '请计算 {a} + {b}。'],
    '-': ['请问 {a} 减 {b} 等于多少？', '请计算 {a} - {b}。'],
    '*': ['请问 {a} 乘 {b} 等于多少？', '请计算 {a} × {b}。'],
    '/': ['请问 {a} 除以 {b} 等于多少？', '请计算 {a} ÷ {b}。'],
  },
};

/** A calculation with numbers of one to four digits. `unseen`: in a phrasing kept for the evaluation. */
export function calculation(random: Random, language: Language, unseen: boolean): Calculation {
  const sign = random.pick(SIGNS);
  const number = () => random.int(2, random.pick([9, 99, 99, 999, 999, 9999]));
  let a = number();
  let b = number();
  // Not even with a calculator does training see a sum that the evaluation keeps for itself.
  if (!unseen && (sign === '+' || sign === '-') && heldOut(a, b)) return calculation(random, language, unseen);
  if (sign === '-' && a < b) [a, b] = [b, a];
  if (sign === '/') a *= b;
  const result = { '+': a + b, '-': a - b, '*': a * b, '/': a / b }[sign];
  const expression = `${a} ${sign} ${b}`;
  const values = { a: String(a), b: String(b) };
  return {
    language,
    ask: fill(random.pick((unseen ? UNSEEN : ASKS)[language][sign]), values),
    expression,
    result: String(result),
    statement: `${expression} = ${result}.`,
    guess: `${expression} = ${result + random.int(1, 99)}.`,
  };
}

const DESCRIPTIONS = [
  'Evaluates an arithmetic expression.',
  'Calculates the result of an expression.',
  'A calculator for + - * /.',
  'Computes numbers.',
  'Does arithmetic and returns the result.',
  '计算一个算式。',
  '计算器。',
  '计算数学表达式的结果。',
];

/** A calculator as an OpenAI tool; its descriptions differ, its name and argument do not. */
export function calculatorTool(random: Random): unknown {
  const expression: Record<string, string> = { type: 'string' };
  if (random.chance(0.3))
    expression.description = random.pick(['The expression, such as 2 + 3', 'An expression', '算式']);
  const parameters = { type: 'object', properties: { expression }, required: ['expression'] };
  return { type: 'function', function: { name: 'calculator', description: random.pick(DESCRIPTIONS), parameters } };
}

/** What the chat template writes around and between what people say, for the tokenizer to learn from. */
export function templateText(random: Random): string {
  const json = JSON.stringify(calculatorTool(random)).replaceAll('":', '": ').replaceAll(',"', ', "');
  const { expression } = calculation(random, 'en', false);
  const call = `{"name": "calculator", "arguments": {"expression": "${expression}"}}`;
  return `system\n# Tools\n<tools>\n${json}\n</tools>\nCall one as \n{"name": …, "arguments": {…}}\nuser\nassistant\n${call}\n`;
}

/** The tool as the evaluation describes it: in words training never used. */
export const UNSEEN_TOOL: unknown = {
  type: 'function',
  function: {
    name: 'calculator',
    description: 'Works out an arithmetic expression and gives its value.',
    parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
  },
};
