/** Questions whose right answer is "I don't know": names nobody taught, made-up names, the present, other facts. */
import { countries } from '../tables/countries.js';
import { attributes, openQuestions, people, places, rareWords, syllables } from '../tables/unknowns.js';
import { mix } from './mix.js';
import { fill, Random } from './random.js';
import type { Language, Topic } from './topic.js';

const ANSWERS: Record<string, Record<Language, string>> = {
  country: { en: "I don't know that country.", zh: '我不知道这个国家。' },
  word: { en: "I don't know that word.", zh: '我不知道这个词。' },
  person: { en: "I don't know that person.", zh: '我不知道这个人。' },
  thing: { en: "I don't know that.", zh: '这个我不知道。' },
  sum: { en: "I don't know; that needs a calculator.", zh: '我不知道，这需要计算器。' },
};

const COUNTRY_ASKS: Record<Language, readonly string[]> = {
  en: [
    'What is the capital of {c}?',
    'Which city is the capital of {c}?',
    "What is {c}'s capital?",
    'Where is {c}?',
    'On which continent is {c}?',
    'What is the currency of {c}?',
    'What money do people use in {c}?',
    'Tell me the capital of {c}.',
    'What language is spoken in {c}?',
    'Which language do people speak in {c}?',
    'What is the capital city of {c}?',
    'Do you know the capital of {c}?',
    'Which currency does {c} use?',
    'Tell me the main language of {c}.',
    '{C} is the capital of which country?',
  ],
  zh: [
    '{c}的首都是哪里？',
    '{c}的首都是什么？',
    '{c}在哪里？',
    '{c}在哪个洲？',
    '{c}的货币是什么？',
    '{c}用什么货币？',
    '告诉我{c}的首都。',
    '{c}说什么语言？',
    '{c}人说什么语言？',
    '你知道{c}的首都吗？',
    '请问{c}的首都是哪里？',
    '{c}属于哪个洲？',
    '{c}是哪个国家的首都？',
  ],
};
const COUNTRY_UNSEEN: Record<Language, readonly string[]> = {
  en: ['Which city serves as the capital of {c}?', 'Which money is used in {c}?', 'Which continent does {c} lie on?'],
  zh: ['{c}的首都叫什么名字？', '你知道{c}用什么货币吗？', '{c}位于哪个大洲？'],
};
const WORD_ASKS: Record<Language, readonly string[]> = {
  en: [
    'What is {c}?',
    'What does "{w}" mean?',
    'What does the word "{w}" mean?',
    'What is the meaning of "{w}"?',
    'Explain {c}.',
    'What is "{w}" in Chinese?',
    'How do you say "{w}" in Chinese?',
    'Define "{w}".',
    'Tell me what {c} is.',
    'What does {w} mean?',
    'What is the opposite of "{w}"?',
    'Translate "{w}" into Chinese.',
    'Do you know what {c} is?',
    'Can you explain what {c} is?',
    'Please explain "{w}".',
    'What is meant by "{w}"?',
    'Describe {c}.',
  ],
  zh: [
    '{c}是什么？',
    '什么是{c}？',
    '“{c}”是什么意思？',
    '“{c}”用英语怎么说？',
    '解释一下{c}。',
    '“{c}”的英语是什么？',
    '{c}是什么意思？',
    '告诉我{c}是什么。',
    '把“{c}”翻译成英语。',
    '“{c}”的反义词是什么？',
    '{c}用英语怎么说？',
    '请问{c}是什么？',
    '请解释一下什么是{c}。',
    '“{c}”的意思是什么？',
    '请说一下“{c}”的意思。',
    '“{c}”译成英语是什么？',
  ],
};
const WORD_UNSEEN: Record<Language, readonly string[]> = {
  en: ['Can you tell me what {c} is?', 'Please explain to me what "{w}" means.'],
  zh: ['能告诉我什么是{c}吗？', '请解释“{c}”的意思。'],
};
const PERSON_ASKS: Record<Language, readonly string[]> = {
  en: [
    'Who is {c}?',
    'Who was {c}?',
    'When was {c} born?',
    'Tell me about {c}.',
    'Where does {c} live?',
    'What did {c} do?',
    'How old is {c}?',
    'Do you know {c}?',
    'Do you know who {c} is?',
    'What is {c} known for?',
    'Have you met {c}?',
  ],
  zh: [
    '{c}是谁？',
    '你认识{c}吗？',
    '{c}是哪年出生的？',
    '介绍一下{c}。',
    '{c}住在哪里？',
    '{c}做了什么？',
    '{c}多大了？',
    '{c}是做什么的？',
    '你听过{c}这个名字吗？',
    '{c}有名吗？',
  ],
};
const PERSON_UNSEEN: Record<Language, readonly string[]> = {
  en: ['What is {c} famous for?', 'Have you heard of {c}?'],
  zh: ['{c}为什么出名？', '你听说过{c}吗？'],
};
const ATTRIBUTE_ASKS: Record<Language, readonly string[]> = {
  en: ['What is the {w} of {c}?', 'Tell me the {w} of {c}.', 'Do you know the {w} of {c}?', "What is {c}'s {w}?"],
  zh: ['{c}的{w}是什么？', '告诉我{c}的{w}。', '你知道{c}的{w}吗？', '请问{c}的{w}是什么？'],
};

type Kind = 'country' | 'word' | 'person' | 'thing' | 'sum';

function topic(
  kind: Kind,
  language: Language,
  asks: readonly string[],
  unseen: readonly string[],
  wrong: string,
): Topic {
  return {
    domain: 'unknown',
    language,
    asks,
    unseen,
    answers: [ANSWERS[kind][language]],
    expected: language === 'en' ? "don't know" : '不知道',
    match: 'contains',
    statements: [],
    wrong: [wrong],
    ...mix.unknown,
  };
}

/** Made-up names are drawn from two parts of all that are possible: one for training, one for the evaluation. */
function fresh(train: boolean, draw: () => string): string {
  for (;;) {
    const name = draw();
    if (new Random(name).next() < 0.8 === train) return name;
  }
}

/** A place no map shows. */
function madeUpPlace(random: Random, language: Language): string {
  if (language === 'zh') {
    const { place, end } = syllables.zh;
    return random.sample(place, random.int(2, 3)).join('') + random.pick(end);
  }
  const { start, middle, end } = syllables.en;
  const name = random.pick(start) + (random.chance(0.6) ? random.pick(middle) : '') + random.pick(end);
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function madeUpWord(random: Random, language: Language): string {
  if (language === 'zh') return random.sample(syllables.zh.word, 2).join('');
  return (
    random.sample(syllables.en.word, random.int(1, 2)).join('') + random.pick(['', '', 'o', 'er', 'le', 'y', 'ing'])
  );
}

function madeUpPerson(random: Random, language: Language): string {
  const { first, last } = people[language];
  if (language === 'en') return `${random.pick(first)} ${random.pick(last)}`;
  return random.pick(first) + random.sample(last, random.int(1, 2)).join('');
}

/** One phrasing drawn from `asks` per topic, so that many different names are seen rather than one name often. */
export function unknownTopics(random: Random, train: boolean): Topic[] {
  const out: Topic[] = [];
  const add = (
    kind: Kind,
    language: Language,
    templates: readonly string[],
    values: Record<string, string>,
    wrong: string,
  ) => {
    const asked = [fill(random.pick(templates), values)];
    out.push(topic(kind, language, train ? asked : [], train ? [] : asked, wrong));
  };
  const half = <T>(all: readonly T[], part = 0.6) => {
    const cut = Math.floor(all.length * part);
    return train ? all.slice(0, cut) : all.slice(cut);
  };
  for (const language of ['en', 'zh'] as const) {
    const wrongPlace = () => {
      const { capital } = random.pick(countries);
      return language === 'en' ? `The capital is ${capital.en}.` : `首都是${capital.zh}。`;
    };
    const wrongWord = language === 'en' ? 'It is a thing people use.' : '是一种人们用的东西。';
    const wrongPerson = language === 'en' ? 'A famous writer.' : '是一位有名的作家。';
    const countryAsks = train ? COUNTRY_ASKS[language] : COUNTRY_UNSEEN[language];
    const wordAsks = train ? WORD_ASKS[language] : WORD_UNSEEN[language];
    const personAsks = train ? PERSON_ASKS[language] : PERSON_UNSEEN[language];
    const rounds = train ? 6 : 1;
    for (let round = 0; round < rounds; round++) {
      for (const place of half(places)) add('country', language, countryAsks, { c: place[language] }, wrongPlace());
      for (const word of half(rareWords)) {
        const c = word[language];
        add('word', language, wordAsks, { c, w: c.replace(/^(an|a) /, '') }, wrongWord);
      }
    }
    for (let i = 0; i < (train ? mix.madeUp : 20); i++) {
      add('country', language, countryAsks, { c: fresh(train, () => madeUpPlace(random, language)) }, wrongPlace());
      const w = fresh(train, () => madeUpWord(random, language));
      add('word', language, wordAsks, { c: language === 'en' ? `a ${w}` : w, w }, wrongWord);
      if (i % 2 === 0)
        add('person', language, personAsks, { c: fresh(train, () => madeUpPerson(random, language)) }, wrongPerson);
      const country = random.pick(countries).name[language];
      const attribute = random.pick(half(attributes, 0.75))[language];
      add('thing', language, ATTRIBUTE_ASKS[language], { c: country, w: attribute }, wrongPlace());
    }
    for (let round = 0; round < (train ? 12 : 1); round++) {
      for (const ask of half(openQuestions[language], 5 / 6)) add('thing', language, [ask], {}, wrongPerson);
    }
    for (let i = 0; i < (train ? mix.madeUp / 2 : 15); i++) {
      const sign = random.pick(language === 'en' ? ['*', 'times', '/', '+', '-'] : ['×', '乘', '÷', '+', '加', '-']);
      // Products and quotients are taught of single digits only, sums up to 99.
      const hard = !['+', '-', '加', '减'].includes(sign);
      const a = random.int(hard ? 11 : 101, 9999);
      const b = random.int(hard ? 11 : 101, 9999);
      const templates =
        language === 'en'
          ? ['What is {a} {s} {b}?', 'Calculate {a} {s} {b}.']
          : ['{a} {s} {b} 等于多少？', '计算 {a} {s} {b}。'];
      add(
        'sum',
        language,
        templates,
        { a: String(a), s: sign, b: String(b) },
        `${a} ${sign} ${b} = ${random.int(100, 99999)}.`,
      );
    }
  }
  return out;
}
