/**
 * Sums, differences, products and units. Of the pairs of two-digit numbers a tenth is never shown in any phrasing,
 * order or language; the evaluation asks for those.
 */
import { mix } from './mix.js';
import { fill, Random } from './random.js';
import type { Language, Topic } from './topic.js';

interface Operation {
  domain: 'addition' | 'subtraction' | 'multiplication';
  sign: '+' | '-' | '×';
  compute: (a: number, b: number) => number;
  asks: Record<Language, readonly string[]>;
  unseen: Record<Language, readonly string[]>;
}

const ADD: Operation = {
  domain: 'addition',
  sign: '+',
  compute: (a, b) => a + b,
  asks: {
    en: [
      'What is {a} + {b}?',
      '{a} + {b} = ?',
      '{a} + {b}',
      'Calculate {a} + {b}.',
      'How much is {a} + {b}?',
      'What is {a} plus {b}?',
      'How much is {a} plus {b}?',
      'Add {a} and {b}.',
      'What is the sum of {a} and {b}?',
      '{a}+{b}',
      'What is {a}+{b}?',
      '{a}+{b}=?',
      'Compute {a} plus {b}.',
      'Tom has {a} apples and gets {b} more. How many apples does he have?',
      'A book costs {a} and a pen costs {b}. How much is it together?',
    ],
    zh: [
      '{a} + {b} 等于多少？',
      '{a}+{b}=?',
      '{a} + {b} = ?',
      '{a} 加 {b} 等于多少？',
      '{a}加{b}等于几？',
      '计算 {a} + {b}。',
      '请算一算 {a} + {b}。',
      '{a} 与 {b} 的和是多少？',
      '{a}加{b}是多少？',
      '算 {a} 加 {b}。',
      '{a}+{b}等于多少？',
      '{a}加上{b}是多少？',
      '{a}和{b}一共是多少？',
      '{a} 跟 {b} 相加得多少？',
      '把{a}和{b}加在一起是多少？',
      '求 {a} 与 {b} 的和。',
      '小明有{a}个苹果，又买了{b}个，一共有多少个？',
    ],
  },
  unseen: {
    en: ['Can you add {a} and {b}?', 'Please calculate {a} plus {b}.', 'Tell me what {a} + {b} is.'],
    zh: ['请问 {a} 加 {b} 等于多少？', '请计算 {a} + {b}。', '{a}和{b}加起来是多少？'],
  },
};

const SUBTRACT: Operation = {
  domain: 'subtraction',
  sign: '-',
  compute: (a, b) => a - b,
  asks: {
    en: [
      'What is {a} - {b}?',
      '{a} - {b} = ?',
      '{a} - {b}',
      'Calculate {a} - {b}.',
      'How much is {a} - {b}?',
      'What is {a} minus {b}?',
      'How much is {a} minus {b}?',
      'Subtract {b} from {a}.',
      '{a}-{b}',
      'What is {a}-{b}?',
      'Anna has {a} coins and gives away {b}. How many coins are left?',
    ],
    zh: [
      '{a} - {b} 等于多少？',
      '{a}-{b}=?',
      '{a} 减 {b} 等于多少？',
      '{a}减{b}等于几？',
      '计算 {a} - {b}。',
      '请算一算 {a} - {b}。',
      '{a} 与 {b} 的差是多少？',
      '{a}减{b}是多少？',
      '{a}减去{b}是多少？',
      '从{a}里减去{b}还有多少？',
      '小红有{a}块糖，吃了{b}块，还剩多少块？',
    ],
  },
  unseen: {
    en: ['Please calculate {a} minus {b}.', 'Tell me what {a} - {b} is.'],
    zh: ['请问 {a} 减 {b} 等于多少？', '请计算 {a} - {b}。'],
  },
};

const MULTIPLY: Operation = {
  domain: 'multiplication',
  sign: '×',
  compute: (a, b) => a * b,
  asks: {
    en: [
      'What is {a} × {b}?',
      '{a} × {b} = ?',
      'What is {a} times {b}?',
      'How much is {a} times {b}?',
      'Calculate {a} × {b}.',
      'Multiply {a} by {b}.',
      'What is {a} * {b}?',
      '{a} * {b}',
      '{a} x {b}',
    ],
    zh: [
      '{a} × {b} 等于多少？',
      '{a} 乘 {b} 等于多少？',
      '{a}乘以{b}等于几？',
      '计算 {a} × {b}。',
      '{a}×{b}=?',
      '{a}乘{b}是多少？',
      '{a} * {b} 等于多少？',
    ],
  },
  unseen: {
    en: ['Please calculate {a} times {b}.', 'Tell me what {a} × {b} is.'],
    zh: ['请问 {a} 乘 {b} 等于多少？', '请计算 {a} × {b}。'],
  },
};

/** Evaluated and never trained on: a tenth of the pairs of two-digit numbers, the same for both orders. */
export function heldOut(a: number, b: number): boolean {
  if (Math.min(a, b) < 10 || Math.max(a, b) > 99) return false;
  const low = Math.min(a, b);
  const high = Math.max(a, b);
  return (low * 7919 + high * 104729) % 1009 < 101;
}

function calculate(operation: Operation, a: number, b: number, language: Language, random: Random): Topic {
  const hidden = operation.domain !== 'multiplication' && heldOut(a, b);
  const result = operation.compute(a, b);
  const put = (template: string) => fill(template, { a: String(a), b: String(b) });
  const sign = operation.sign;
  const statement = `${a} ${sign} ${b} = ${result}.`;
  const off = random.pick([1, -1, 2, 10, -10]);
  return {
    domain: operation.domain,
    language,
    asks: hidden ? [] : operation.asks[language].map(put),
    unseen: hidden || operation.domain === 'multiplication' ? operation.unseen[language].map(put) : [],
    answers: [statement],
    expected: String(result),
    match: 'numeric',
    statements: [
      operation.domain === 'addition' && a > 9 && b > 9 && random.chance(0.3) ? (steps(a, b) ?? statement) : statement,
    ],
    wrong: [`${a} ${sign} ${b} = ${result + off < 0 ? result - off : result + off}.`],
    call: { expression: `${a} ${sign === '×' ? '*' : sign} ${b}`, result: String(result) },
    ...mix[operation.domain],
  };
}

/** The way a person adds: ones, tens, both. Nothing if that would show a held-out sum. */
function steps(a: number, b: number): string | undefined {
  const ones = [a % 10, b % 10];
  const tens = [a - ones[0], b - ones[1]];
  const low = ones[0] + ones[1];
  const high = tens[0] + tens[1];
  if (heldOut(tens[0], tens[1]) || heldOut(high, low)) return undefined;
  return `${a} + ${b}: ${ones[0]} + ${ones[1]} = ${low}, ${tens[0]} + ${tens[1]} = ${high}, ${high} + ${low} = ${a + b}.`;
}

/** Every pair once in each language (which phrasing is used is drawn later). */
export function arithmeticTopics(): Topic[] {
  const random = new Random('arithmetic');
  const out: Topic[] = [];
  for (const language of ['en', 'zh'] as const) {
    for (let a = 0; a < 100; a++) {
      for (let b = 0; b < 100; b++) {
        out.push(calculate(ADD, a, b, language, random));
        if (a >= b) out.push(calculate(SUBTRACT, a, b, language, random));
        if (a > 0 && b > 0 && a < 10 && b < 10) out.push(calculate(MULTIPLY, a, b, language, random));
      }
    }
  }
  return out;
}

interface Unit {
  from: { one: string; many: string; zh: string };
  to: { many: string; zh: string };
  factor: number;
  /** Amounts from 1 to this one are taught. */
  most: number;
}

const unit = (one: string, many: string, zh: string, to: string, toZh: string, factor: number, most: number): Unit => ({
  from: { one, many, zh },
  to: { many: to, zh: toZh },
  factor,
  most,
});

const UNITS: readonly Unit[] = [
  unit('kilometre', 'kilometres', '千米', 'metres', '米', 1000, 30),
  unit('metre', 'metres', '米', 'centimetres', '厘米', 100, 30),
  unit('centimetre', 'centimetres', '厘米', 'millimetres', '毫米', 10, 30),
  unit('kilogram', 'kilograms', '千克', 'grams', '克', 1000, 30),
  unit('tonne', 'tonnes', '吨', 'kilograms', '千克', 1000, 30),
  unit('litre', 'litres', '升', 'millilitres', '毫升', 1000, 30),
  unit('hour', 'hours', '小时', 'minutes', '分钟', 60, 12),
  unit('minute', 'minutes', '分钟', 'seconds', '秒', 60, 12),
  unit('day', 'days', '天', 'hours', '小时', 24, 10),
  unit('week', 'weeks', '个星期', 'days', '天', 7, 12),
  unit('year', 'years', '年', 'months', '个月', 12, 12),
  unit('dozen', 'dozen', '打', 'pieces', '个', 12, 12),
];

const UNIT_ASKS: Record<Language, readonly string[]> = {
  en: [
    'How many {t} are {n} {f}?',
    'How many {t} are in {n} {f}?',
    'What is {n} {f} in {t}?',
    'Convert {n} {f} to {t}.',
    'Convert {n} {f} into {t}.',
    '{n} {f} in {t}?',
    '{n} {f} = ? {t}',
    'Turn {n} {f} into {t}.',
    'How much is {n} {f} in {t}?',
  ],
  zh: [
    '{n}{f}等于多少{t}？',
    '{n}{f}是多少{t}？',
    '{n}{f}有多少{t}？',
    '把{n}{f}换算成{t}。',
    '{n}{f}换算成{t}是多少？',
    '{n}{f}=?{t}',
    '请问{n}{f}是多少{t}？',
    '{n}{f}合多少{t}？',
  ],
};

const UNIT_UNSEEN: Record<Language, readonly string[]> = {
  en: ['Tell me how many {t} are in {n} {f}.', 'Please convert {n} {f} to {t}.'],
  zh: ['请把{n}{f}换算成{t}。', '告诉我{n}{f}等于多少{t}。'],
};

export function unitTopics(): Topic[] {
  const out: Topic[] = [];
  for (const { from, to, factor, most } of UNITS) {
    for (let n = 1; n <= most; n++) {
      for (const language of ['en', 'zh'] as const) {
        const english = { n: String(n), f: n === 1 ? from.one : from.many, t: to.many };
        const values: Record<string, string> = language === 'en' ? english : { n: String(n), f: from.zh, t: to.zh };
        const answer = (result: number) =>
          language === 'en'
            ? `${n} ${values.f} ${n === 1 ? 'is' : 'are'} ${result} ${values.t}.`
            : `${n}${values.f}等于${result}${values.t}。`;
        const put = (template: string) => fill(template, values);
        // Amounts of decimal units follow a rule, so some are only evaluated.
        const hidden = factor % 10 === 0 && factor !== 60 && n % 10 === 7;
        out.push({
          domain: 'units',
          language,
          asks: hidden ? [] : UNIT_ASKS[language].map(put),
          unseen: UNIT_UNSEEN[language].map(put),
          answers: [answer(n * factor)],
          expected: String(n * factor),
          match: 'numeric',
          statements: [answer(n * factor)],
          wrong: [answer(n * (factor === 60 ? 100 : factor * 10)), answer(n + factor)],
          ...mix.units,
        });
      }
    }
  }
  return out;
}
