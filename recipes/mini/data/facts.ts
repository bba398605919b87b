/** Countries, words and opposites: facts from tables, asked in many phrasings. */
import { type Both, countries } from '../tables/countries.js';
import { opposites, translations } from '../tables/pairs.js';
import { words } from '../tables/words.js';
import { mix } from './mix.js';
import { fill, Random } from './random.js';
import type { Domain, Language, Topic } from './topic.js';

/** One question about every entry of a table, in one language. */
interface Relation {
  language: Language;
  asks: readonly string[];
  unseen: readonly string[];
  answer: string;
  statements: readonly string[];
  /** What a right answer contains; default: {x}. */
  expected?: string;
}

const CAPITAL: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'What is the capital of {c}?',
      "What's the capital of {c}?",
      'Which city is the capital of {c}?',
      'Name the capital of {c}.',
      'Tell me the capital of {c}.',
      'Do you know the capital of {c}?',
      'Can you tell me the capital of {c}?',
      "What is {c}'s capital?",
      'What is the capital city of {c}?',
      'I am looking for the capital of {c}.',
      'The capital of {c}?',
      "Give me {c}'s capital city.",
      'I would like to know the capital of {c}.',
    ],
    unseen: [
      'Which city serves as the capital of {c}?',
      'What is the name of the capital of {c}?',
      'Do you know which city is the capital of {c}?',
    ],
    answer: 'The capital of {c} is {x}.',
    statements: ['The capital of {c} is {x}.', '{X} is the capital of {c}.', 'The capital city of {c} is {x}.'],
  },
  {
    language: 'zh',
    asks: [
      '{c}的首都是哪里？',
      '{c}的首都是什么？',
      '{c}的首都是哪个城市？',
      '哪个城市是{c}的首都？',
      '告诉我{c}的首都。',
      '请问{c}的首都是哪里？',
      '你知道{c}的首都吗？',
      '{c}首都在哪？',
      '{c}的首都叫什么？',
      '说出{c}的首都。',
      '我想知道{c}的首都是哪里。',
      '{c}的首都？',
      '{c}把哪个城市当作首都？',
      '{c}首都的名字是什么？',
      '哪座城市是{c}的首都？',
    ],
    unseen: ['{c}的首都叫什么名字？', '能告诉我{c}的首都是哪里吗？', '你知道{c}的首都是哪个城市吗？'],
    answer: '{c}的首都是{x}。',
    statements: ['{c}的首都是{x}。', '{x}是{c}的首都。', '{c}的首都叫{x}。'],
  },
];

const COUNTRY_OF: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      '{X} is the capital of which country?',
      'Which country has the capital {x}?',
      'What country is {x} the capital of?',
      '{X} is the capital of what?',
      'Of which country is {x} the capital?',
      'Tell me which country {x} is the capital of.',
      'Which country does the capital {x} belong to?',
      'The capital {x} is in which country?',
    ],
    unseen: ['Do you know which country has {x} as its capital?', 'Name the country whose capital is {x}.'],
    answer: '{X} is the capital of {c}.',
    statements: ['{X} is the capital of {c}.'],
  },
  {
    language: 'zh',
    asks: [
      '{x}是哪个国家的首都？',
      '{x}是哪国的首都？',
      '哪个国家的首都是{x}？',
      '首都是{x}的是哪个国家？',
      '告诉我{x}是哪个国家的首都。',
      '请问{x}是哪国首都？',
      '{x}是什么国家的首都？',
      '以{x}为首都的是哪个国家？',
      '{x}作为首都属于哪个国家？',
      '首都叫{x}的是哪个国家？',
      '{x}是哪里的首都？',
    ],
    unseen: ['你知道{x}是哪个国家的首都吗？', '哪个国家把{x}作为首都？'],
    answer: '{x}是{c}的首都。',
    statements: ['{x}是{c}的首都。'],
  },
];

const CONTINENT: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'On which continent is {c}?',
      'Which continent is {c} in?',
      'What continent is {c} on?',
      'In which part of the world is {c}?',
      'Where is {c}?',
      'Where in the world is {c}?',
      'Tell me the continent of {c}.',
      '{C} is on which continent?',
      'What continent does {c} belong to?',
      'Can you tell me which continent {c} is on?',
      'Which continent does {c} belong to?',
      '{C} lies on which continent?',
    ],
    unseen: ['Which continent does {c} lie on?', 'Do you know on which continent {c} is?'],
    answer: '{C} is in {x}.',
    statements: ['{C} is in {x}.', '{C} is a country in {x}.'],
  },
  {
    language: 'zh',
    asks: [
      '{c}在哪个洲？',
      '{c}在哪个大洲？',
      '{c}属于哪个洲？',
      '{c}位于哪个洲？',
      '{c}在哪里？',
      '{c}是哪个洲的国家？',
      '告诉我{c}在哪个洲。',
      '请问{c}在哪个大洲？',
      '{c}在什么洲？',
      '{c}处于哪个大洲？',
      '{c}在世界的哪个洲？',
      '{c}属于什么大洲？',
    ],
    unseen: ['你知道{c}在哪个洲吗？', '{c}位于哪个大洲？'],
    answer: '{c}在{x}。',
    statements: ['{c}在{x}。', '{c}是{x}的国家。'],
  },
];

const CURRENCY: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'What is the currency of {c}?',
      'What currency is used in {c}?',
      'What money do people use in {c}?',
      'Which currency does {c} use?',
      'How do people pay in {c}?',
      'Tell me the currency of {c}.',
      "What is {c}'s currency?",
      'What is the money of {c} called?',
      'With what money do you pay in {c}?',
      'Do you know the currency of {c}?',
      'Name the currency of {c}.',
    ],
    unseen: [
      'Which money is used in {c}?',
      'What is the currency of {c} called?',
      'Which currency do people use in {c}?',
    ],
    answer: 'The currency of {c} is {x}.',
    statements: ['The currency of {c} is {x}.', 'In {c} people pay with {x}.'],
  },
  {
    language: 'zh',
    asks: [
      '{c}的货币是什么？',
      '{c}用什么货币？',
      '{c}使用什么货币？',
      '{c}的钱叫什么？',
      '在{c}用什么钱？',
      '告诉我{c}的货币。',
      '请问{c}的货币是什么？',
      '{c}人用什么钱？',
      '你知道{c}的货币吗？',
      '{c}的货币叫什么？',
      '{c}流通什么货币？',
      '去{c}要带什么钱？',
      '在{c}买东西用什么钱？',
    ],
    unseen: ['在{c}要用什么货币？', '你知道{c}用什么货币吗？', '{c}的货币叫什么名字？'],
    answer: '{c}的货币是{x}。',
    statements: ['{c}的货币是{x}。', '在{c}，人们用{x}付款。'],
  },
];

const SPOKEN: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'What language is spoken in {c}?',
      'Which language do people speak in {c}?',
      'What do people speak in {c}?',
      'What is the main language of {c}?',
      'Which language is spoken in {c}?',
      'Tell me the main language of {c}.',
      'What is the language of {c}?',
      "What is {c}'s language?",
      'Do you know the language of {c}?',
      'What language do they speak in {c}?',
    ],
    unseen: ['Which language do the people of {c} speak?', 'What is the main language spoken in {c}?'],
    answer: 'The main language of {c} is {x}.',
    statements: ['The main language of {c} is {x}.', 'People in {c} speak {x}.'],
  },
  {
    language: 'zh',
    asks: [
      '{c}说什么语言？',
      '{c}人说什么话？',
      '{c}人说什么语言？',
      '{c}的主要语言是什么？',
      '{c}的语言是什么？',
      '在{c}说什么语言？',
      '告诉我{c}的主要语言。',
      '请问{c}说什么语言？',
      '{c}讲什么语言？',
      '{c}的人们说什么话？',
      '{c}通用什么语言？',
      '去{c}要会说什么语言？',
    ],
    unseen: ['你知道{c}人说什么语言吗？', '在{c}，人们讲什么语言？'],
    answer: '{c}的主要语言是{x}。',
    statements: ['{c}的主要语言是{x}。', '{c}人说{x}。'],
  },
];

const DEFINITION: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'What is {c}?',
      "What's {c}?",
      'What does "{w}" mean?',
      'What does the word "{w}" mean?',
      'What is the meaning of "{w}"?',
      'Explain {c}.',
      'Explain the word "{w}".',
      'Tell me what {c} is.',
      'Can you explain what {c} is?',
      'Do you know what {c} is?',
      'Define "{w}".',
      'What does {w} mean?',
      'Describe {c}.',
    ],
    unseen: [
      'Can you tell me what {c} is?',
      'What is meant by the word "{w}"?',
      'Please explain to me what "{w}" means.',
    ],
    answer: '{C} is {x}.',
    statements: ['{C} is {x}.', '{w}: {x}.', 'The word "{w}" means: {x}.'],
  },
  {
    language: 'zh',
    asks: [
      '{c}是什么？',
      '什么是{c}？',
      '“{c}”是什么意思？',
      '“{c}”这个词是什么意思？',
      '解释一下{c}。',
      '解释“{c}”。',
      '告诉我{c}是什么。',
      '请问{c}是什么？',
      '{c}是什么意思？',
      '你知道{c}是什么吗？',
      '{c}是什么东西？',
      '说说什么是{c}。',
      '请说明什么是{c}。',
      '“{c}”的意思是什么？',
      '请说一下“{c}”的意思。',
      '{c}指的是什么？',
      '请解释一下什么是{c}。',
      '“{c}”的含义是什么？',
    ],
    unseen: ['能告诉我什么是{c}吗？', '请解释“{c}”的意思。', '你知道“{c}”是什么意思吗？'],
    answer: '{c}是{x}。',
    statements: ['{c}是{x}。', '{c}：{x}。', '“{c}”的意思是{x}。'],
  },
];

const TO_CHINESE: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'What is "{c}" in Chinese?',
      'How do you say "{c}" in Chinese?',
      'What is the Chinese word for "{c}"?',
      'Translate "{c}" into Chinese.',
      'Translate to Chinese: {c}',
      'The Chinese for "{c}"?',
      'What is the Chinese for {c}?',
      'Tell me the Chinese word for "{c}".',
      'How is "{c}" said in Chinese?',
      '{c} in Chinese?',
    ],
    unseen: ['How would you say "{c}" in Chinese?', 'Please translate the word "{c}" into Chinese.'],
    answer: '"{c}" in Chinese is {x}.',
    expected: ' is {x}[.]$',
    statements: ['"{c}" in Chinese is {x}.', 'The Chinese word for "{c}" is {x}.', '{c} = {x}'],
  },
  {
    language: 'zh',
    asks: [
      '“{c}”用中文怎么说？',
      '{c} 的中文是什么？',
      '英语单词 {c} 是什么意思？',
      '把“{c}”翻译成中文。',
      '{c} 用中文怎么说？',
      '“{c}”的中文是什么？',
      '{c} 是什么意思？',
      '翻译成中文：{c}',
      '英语的“{c}”用中文怎么说？',
      '“{c}”翻成中文是什么？',
      '请翻译“{c}”。',
      '单词“{c}”是什么意思？',
      '“{c}”这个单词怎么翻译？',
      '“{c}”译成中文是什么？',
    ],
    unseen: ['请把单词“{c}”译成中文。', '你知道“{c}”用中文怎么说吗？'],
    answer: '“{c}”的中文是{x}。',
    expected: '是{x}。$',
    statements: ['“{c}”的中文是{x}。'],
  },
];

const TO_ENGLISH: readonly Relation[] = [
  {
    language: 'zh',
    asks: [
      '“{c}”用英语怎么说？',
      '“{c}”的英语是什么？',
      '{c}用英语怎么说？',
      '把“{c}”翻译成英语。',
      '{c}的英语是什么？',
      '{c}的英文怎么说？',
      '“{c}”英语怎么讲？',
      '翻译成英语：{c}',
      '英语里“{c}”怎么说？',
      '“{c}”的英文是什么？',
      '“{c}”译成英语是什么？',
      '“{c}”这个词用英语怎么讲？',
      '请把“{c}”翻译成英文。',
      '“{c}”这个词的英语是什么？',
      '哪个英语单词的意思是“{c}”？',
    ],
    unseen: ['请把“{c}”这个词译成英语。', '你知道“{c}”用英语怎么说吗？'],
    answer: '“{c}”的英语是 {x}。',
    expected: '是 {x}。$',
    statements: ['“{c}”的英语是 {x}。', '{c} = {x}'],
  },
  {
    language: 'en',
    asks: [
      'What is {c} in English?',
      'What does {c} mean in English?',
      'Translate {c} into English.',
      'What is the English word for {c}?',
      'How do you say {c} in English?',
      'Translate to English: {c}',
      'What does the Chinese word {c} mean?',
      '{c} in English?',
    ],
    unseen: ['How would you say {c} in English?', 'Please translate the Chinese word {c} into English.'],
    answer: '{c} in English is "{x}".',
    expected: '"{x}"',
    statements: ['{c} in English is "{x}".', 'The English word for {c} is "{x}".'],
  },
];

const OPPOSITE: readonly Relation[] = [
  {
    language: 'en',
    asks: [
      'What is the opposite of "{c}"?',
      'What is the opposite of {c}?',
      "What's the opposite of {c}?",
      'Tell me the opposite of "{c}".',
      'Name the opposite of {c}.',
      'The opposite of {c}?',
      'Which word is the opposite of "{c}"?',
      'Give me the opposite of {c}.',
    ],
    unseen: ['Do you know the opposite of "{c}"?', 'Which word means the opposite of "{c}"?'],
    answer: 'The opposite of "{c}" is "{x}".',
    expected: '"{x}"',
    statements: ['The opposite of "{c}" is "{x}".', '"{C}" and "{x}" are opposites.'],
  },
  {
    language: 'zh',
    asks: [
      '“{c}”的反义词是什么？',
      '{c}的反义词是什么？',
      '“{c}”的反义词？',
      '告诉我“{c}”的反义词。',
      '说出“{c}”的反义词。',
      '和“{c}”相反的词是什么？',
      '“{c}”的相反是什么？',
      '“{c}”的反义词是哪个？',
      '哪个词是“{c}”的反义词？',
      '“{c}”反过来是哪个词？',
      '请说出和“{c}”意思相反的词。',
    ],
    unseen: ['你知道“{c}”的反义词吗？', '请问“{c}”的反义词是哪个词？'],
    answer: '“{c}”的反义词是“{x}”。',
    expected: '“{x}”',
    statements: ['“{c}”的反义词是“{x}”。'],
  },
];

/** `entries`: what is asked about and what is answered, in the language of the relation. */
function ask(
  domain: Exclude<Domain, 'calculator' | 'stories'>,
  relation: Relation,
  entries: readonly { c: string; x: string; w?: string; expected?: string }[],
): Topic[] {
  const random = new Random(`${domain}/${relation.answer}`);
  const answers = [...new Set(entries.map((entry) => entry.x))];
  return entries.map((entry) => {
    const put = (template: string) => fill(template, entry as Record<string, string>);
    const others = answers.filter((x) => x !== entry.x);
    return {
      domain,
      language: relation.language,
      asks: relation.asks.map(put),
      unseen: relation.unseen.map(put),
      answers: [put(relation.answer)],
      expected: entry.expected ?? put(relation.expected ?? '{x}'),
      match: domain === 'translations' ? 'regex' : 'contains',
      statements: relation.statements.map(put),
      wrong: random.sample(others, 3).map((x) => fill(relation.answer, { ...entry, x } as Record<string, string>)),
      ...mix[domain],
    };
  });
}

const bare = (text: string) => text.replace(/^the /, '');

export function countryTopics(): Topic[] {
  const about = (relations: readonly Relation[], value: (c: (typeof countries)[number]) => Both) =>
    relations.flatMap((relation) =>
      ask(
        'countries',
        relation,
        countries.map((country) => {
          const x = value(country)[relation.language];
          return { c: country.name[relation.language], x, expected: bare(x) };
        }),
      ),
    );
  const reversed = COUNTRY_OF.flatMap((relation) =>
    ask(
      'countries',
      relation,
      countries.map(({ name, capital }) => ({
        c: name[relation.language],
        x: capital[relation.language],
        expected: bare(name[relation.language]),
      })),
    ).map((topic, i, all) => ({ ...topic, wrong: [fillCountry(relation, i, all.length)] })),
  );
  return [
    ...about(CAPITAL, (c) => c.capital),
    ...reversed,
    ...about(CONTINENT, (c) => c.continent),
    ...about(CURRENCY, (c) => c.currency),
    ...about(SPOKEN, (c) => c.language),
  ];
}

/** The capital of country `i` said to be another country's. */
function fillCountry(relation: Relation, i: number, count: number): string {
  const other = countries[(i + 7) % count];
  return fill(relation.answer, {
    c: other.name[relation.language],
    x: countries[i].capital[relation.language],
  });
}

/** A few sentences that say all about one country, in an order drawn anew each time. */
export function countryProfiles(random: Random): string[] {
  const out: string[] = [];
  for (let round = 0; round < mix.profiles; round++) {
    for (const { name, capital, continent, currency, language } of countries) {
      const en = { c: name.en, k: capital.en, n: continent.en, m: currency.en, l: language.en };
      const zh = { c: name.zh, k: capital.zh, n: continent.zh, m: currency.zh, l: language.zh };
      const english = random.shuffle([
        random.pick(['Its capital is {k}.', 'The capital is {k}.', 'The capital of {c} is {k}.']),
        random.pick(['Its currency is {m}.', 'People pay with {m}.', 'The currency of {c} is {m}.']),
        random.pick(['People speak {l} there.', 'The main language is {l}.', 'The main language of {c} is {l}.']),
      ]);
      const chinese = random.shuffle([
        random.pick(['首都是{k}。', '它的首都是{k}。', '{c}的首都是{k}。']),
        random.pick(['货币是{m}。', '人们用{m}付款。', '{c}的货币是{m}。']),
        random.pick(['人们说{l}。', '主要语言是{l}。', '{c}的主要语言是{l}。']),
      ]);
      out.push(fill(`${random.pick(['{C} is in {n}.', '{C} is a country in {n}.'])} ${english.join(' ')}`, en));
      out.push(fill(`${random.pick(['{c}在{n}。', '{c}是{n}的国家。'])}${chinese.join('')}`, zh));
      if (random.chance(0.5)) out.push(`${name.zh}：${bare(name.en)}。${capital.zh}：${capital.en}。`);
    }
  }
  return out;
}

export function wordTopics(): Topic[] {
  const pairs = new Map<string, string>();
  for (const { en, zh } of [...words, ...translations]) {
    if (!pairs.has(en) && ![...pairs.values()].includes(zh)) pairs.set(en, zh);
  }
  const entries = [...pairs].map(([en, zh]) => ({ en, zh }));
  return [
    ...DEFINITION.flatMap((relation) =>
      ask(
        'definitions',
        relation,
        words.map(({ en, zh, phrase, meaning }) =>
          relation.language === 'en' ? { c: phrase, w: en, x: meaning.en } : { c: zh, x: meaning.zh },
        ),
      ),
    ),
    ...TO_CHINESE.flatMap((relation) =>
      ask(
        'translations',
        relation,
        entries.map(({ en, zh }) => ({ c: en, x: zh })),
      ),
    ),
    ...TO_ENGLISH.flatMap((relation) =>
      ask(
        'translations',
        relation,
        entries.map(({ en, zh }) => ({ c: zh, x: en })),
      ),
    ),
    ...OPPOSITE.flatMap((relation) =>
      ask(
        'opposites',
        relation,
        opposites.flatMap(([a, b]) => [
          { c: a[relation.language], x: b[relation.language] },
          { c: b[relation.language], x: a[relation.language] },
        ]),
      ),
    ),
  ];
}
