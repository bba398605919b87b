/**
 * Conversations for the last fine-tuning: questions as careless people type them, questions that refer to the one
 * before, what the first rounds got wrong, and enough of everything else that nothing is forgotten.
 */
import { type Both, countries } from '../tables/countries.js';
import { type Chat, single } from './documents.js';
import { fill, type Random } from './random.js';
import type { Language, Topic } from './topic.js';

const LICENSE = 'Apache-2.0';

/** Without capitals and full stops, now and then abbreviated. */
function careless(random: Random, ask: string): string {
  let text = ask.replace(/[?.!。？！]+$/, '').toLowerCase();
  if (random.chance(0.3)) text = text.replace(/\bwhat is\b|\bwhat's\b/, 'whats');
  if (random.chance(0.2)) text = text.replace(/\bare you\b/, 'r u').replace(/\byou\b/, 'u');
  if (random.chance(0.1)) text = text.replace(/\bplease\b/, 'pls');
  return text;
}

function chat(source: string, ...turns: string[]): Chat {
  const messages = turns.map((content, i) => ({
    role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
    content,
  }));
  return { messages, source: `generated:${source}`, license: LICENSE };
}

interface Follow {
  first: string;
  next: readonly string[];
  answer: string;
  value: (country: (typeof countries)[number]) => Both;
}

const FOLLOW: Record<Language, readonly Follow[]> = {
  en: [
    {
      first: 'What is the capital of {c}?',
      next: ['And of {c}?', 'and {c}?', 'What about {c}?', 'And what about {c}?'],
      answer: 'The capital of {c} is {x}.',
      value: (c) => c.capital,
    },
    {
      first: 'What is the currency of {c}?',
      next: ['And of {c}?', 'and {c}?', 'What about {c}?', 'And what about {c}?'],
      answer: 'The currency of {c} is {x}.',
      value: (c) => c.currency,
    },
    {
      first: 'What language is spoken in {c}?',
      next: ['And in {c}?', 'and {c}?', 'What about {c}?', 'And what about {c}?'],
      answer: 'The main language of {c} is {x}.',
      value: (c) => c.language,
    },
    {
      first: 'On which continent is {c}?',
      next: ['And {c}?', 'and {c}?', 'What about {c}?', 'And what about {c}?'],
      answer: '{C} is in {x}.',
      value: (c) => c.continent,
    },
  ],
  zh: [
    {
      first: '{c}的首都是哪里？',
      next: ['那{c}呢？', '{c}呢？', '{c}的呢？'],
      answer: '{c}的首都是{x}。',
      value: (c) => c.capital,
    },
    {
      first: '{c}的货币是什么？',
      next: ['那{c}呢？', '{c}呢？', '{c}的呢？'],
      answer: '{c}的货币是{x}。',
      value: (c) => c.currency,
    },
    {
      first: '{c}说什么语言？',
      next: ['那{c}呢？', '{c}呢？', '{c}的呢？'],
      answer: '{c}的主要语言是{x}。',
      value: (c) => c.language,
    },
    { first: '{c}在哪个洲？', next: ['那{c}呢？', '{c}呢？'], answer: '{c}在{x}。', value: (c) => c.continent },
  ],
};

/** Questions about the country that was just spoken of. */
const THERE: Record<Language, readonly (readonly [string, number])[]> = {
  en: [
    ['What is its capital?', 0],
    ['What money do they use there?', 1],
    ['And the currency?', 1],
    ['What language do they speak there?', 2],
    ['And the language?', 2],
    ['And where is it?', 3],
  ],
  zh: [
    ['它的首都是哪里？', 0],
    ['那里用什么货币？', 1],
    ['那货币呢？', 1],
    ['那里说什么语言？', 2],
    ['那语言呢？', 2],
    ['它在哪个洲？', 3],
  ],
};

function followUp(random: Random, language: Language): Chat {
  const [a, b] = random.sample(countries, 2);
  const relation = random.pick(FOLLOW[language]);
  const say = ({ answer, value }: Follow, country: typeof a) =>
    fill(answer, { c: country.name[language], x: value(country)[language] });
  const turns = [fill(relation.first, { c: a.name[language] }), say(relation, a)];
  if (random.chance(0.5)) turns.push(fill(random.pick(relation.next), { c: b.name[language] }), say(relation, b));
  else {
    const [ask, index] = random.pick(THERE[language]);
    turns.push(ask, say(FOLLOW[language][index], a));
  }
  return chat('follow-ups', ...turns);
}

/** Products of two-digit numbers, which it cannot do. */
function tooLarge(random: Random, language: Language): Chat {
  const [a, b] = random.shuffle([random.int(11, 99), random.int(2, 99)]);
  const templates =
    language === 'en'
      ? ['{a} * {b}', 'What is {a} × {b}?', 'What is {a} times {b}?', '{a} x {b}']
      : ['{a}×{b}', '{a} 乘 {b} 等于多少？', '{a} × {b} 等于多少？'];
  const answer = language === 'en' ? "I don't know; that needs a calculator." : '我不知道，这需要计算器。';
  return chat('unknown', fill(random.pick(templates), { a: String(a), b: String(b) }), answer);
}

/** `before`: what the fine-tuning before saw. */
export function polish(topics: readonly Topic[], before: readonly Chat[], random: Random): Chat[] {
  const taught = topics.filter(({ asks }) => asks.length > 0);
  const of = (...domains: Topic['domain'][]) => taught.filter(({ domain }) => domains.includes(domain));
  const typed = (topic: Topic) =>
    chat(topic.domain, careless(random, random.pick(topic.asks)), random.pick(topic.answers));
  const times = (count: number, make: (language: Language) => Chat) =>
    (['en', 'zh'] as const).flatMap((language) => Array.from({ length: count }, () => make(language)));
  return [
    ...of('talk').flatMap((topic) =>
      topic.asks.flatMap((ask) => [1, 2].map(() => chat('talk', careless(random, ask), random.pick(topic.answers)))),
    ),
    ...random.sample(of('countries', 'definitions', 'translations', 'opposites', 'units'), 4000).map(typed),
    ...random.sample(of('unknown'), 2000).map(typed),
    ...random.sample(of('subtraction'), 5000).map((topic) => single(topic, random)),
    ...times(900, (language) => followUp(random, language)),
    ...times(250, (language) => tooLarge(random, language)),
    ...random.sample(before, 8000),
  ];
}
