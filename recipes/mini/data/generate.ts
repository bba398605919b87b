/**
 * Writes the data of the recipe into a folder: pretrain.jsonl ({"text"}), sft.jsonl and polish.jsonl ({"messages"}), dpo.jsonl (pairs)
 * and eval.jsonl; also tokenizer.jsonl, which only the tokenizer learns from. The same seed and scale give the same bytes.
 * Run: npx tsx recipes/mini/data/generate.ts FOLDER [SCALE]
 */

import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { intents } from '../tables/talk.js';
import { templateText } from './calculator.js';
import * as documents from './documents.js';
import { countryProfiles, countryTopics, wordTopics } from './facts.js';
import { mix } from './mix.js';
import { arithmeticTopics, unitTopics } from './numbers.js';
import { polish } from './polish.js';
import { Random } from './random.js';
import { story } from './stories.js';
import type { Domain, Language, Topic } from './topic.js';
import { unknownTopics } from './unknown.js';

const LANGUAGES: readonly Language[] = ['en', 'zh'];

/** Evaluation items of each domain and language; countries and words have several relations. */
const ITEMS: Record<Domain, number> = {
  countries: 250,
  definitions: 120,
  translations: 200,
  opposites: 60,
  units: 80,
  addition: 200,
  subtraction: 100,
  multiplication: 60,
  calculator: 100,
  unknown: 120,
  talk: 60,
  stories: 20,
};
const PAIRS: Record<Domain, number> = {
  countries: 300,
  definitions: 150,
  translations: 150,
  opposites: 60,
  units: 60,
  addition: 200,
  subtraction: 100,
  multiplication: 50,
  calculator: 200,
  unknown: 500,
  talk: 0,
  stories: 0,
};

function talkTopics(): Topic[] {
  return intents.flatMap((intent) =>
    LANGUAGES.map((language): Topic => {
      const { ask, answers, key } = intent[language];
      return {
        domain: 'talk',
        language,
        asks: ask.slice(0, -1),
        unseen: ask.slice(-1),
        answers,
        expected: key,
        match: 'contains',
        statements: [],
        wrong: [],
        ...mix.talk,
      };
    }),
  );
}

export interface Written {
  /** Documents of each file. */
  pretrain: number;
  sft: number;
  dpo: number;
  eval: number;
}

/** `scale` below 1 thins everything out, for a quick run. */
export async function generate(folder: string, scale = 1, seed = 'mini'): Promise<Written> {
  mkdirSync(folder, { recursive: true });
  const random = (name: string) => new Random(`${seed}/${name}`);
  const thin = <T>(all: T[], name: string) =>
    scale >= 1 ? all : random(`thin/${name}`).sample(all, Math.ceil(all.length * scale));

  const taught = [...countryTopics(), ...wordTopics(), ...unitTopics(), ...arithmeticTopics(), ...talkTopics()];
  const train = [...taught, ...unknownTopics(random('unknown/train'), true)];
  const test = [...taught, ...unknownTopics(random('unknown/test'), false)].filter((topic) => topic.unseen.length > 0);

  const stories = LANGUAGES.flatMap((language) => {
    const draw = random(`stories/${language}`);
    return Array.from({ length: mix.stories }, () => story(draw, language, false));
  });
  const calculators = LANGUAGES.flatMap((language) => {
    const draw = random(`calculator/${language}`);
    return Array.from({ length: mix.calculations }, () => documents.calculatorChat(draw, language));
  });
  const text = [
    ...documents.texts(train, random('texts')),
    ...countryProfiles(random('profiles')),
    ...stories.map((each) => each.text),
  ].map((each) => ({ text: each, source: 'generated', license: 'Apache-2.0' }));
  const chat = [...documents.chats(train, random('chats')), ...stories.map(documents.storyChat), ...calculators];

  const formatRandom = random('format');
  const format = Array.from({ length: 3000 }, () => ({ text: templateText(formatRandom) }));

  const pairRandom = random('pairs');
  const pairs = LANGUAGES.flatMap((language) => [
    ...pick(
      train.filter((topic) => topic.asks.length > 0 && topic.wrong.length > 0),
      language,
      PAIRS,
      pairRandom,
    ).map((topic) => documents.pair(topic, pairRandom)),
    ...Array.from({ length: PAIRS.calculator }, () => documents.calculatorPair(pairRandom, language)),
  ]);
  const itemRandom = random('items');
  const sums = test.filter(({ domain, asks }) => asks.length === 0 || !['addition', 'subtraction'].includes(domain));
  const items = LANGUAGES.flatMap((language) => [
    ...pick(sums, language, ITEMS, itemRandom).map((topic) => documents.item(topic, itemRandom)),
    ...Array.from({ length: ITEMS.calculator }, () => documents.calculatorItems(itemRandom, language)).flat(),
    ...Array.from({ length: ITEMS.stories }, () => documents.storyItem(story(itemRandom, language, true))),
  ]);

  const some = [
    ...text.map((each) => each.text),
    ...chat.flatMap(({ messages }) => messages.map(({ content }) => content)),
  ];
  const cut = random('tokenizer')
    .sample(some, 150_000)
    .map((each) => ({ text: wordByWord(each) }));
  const last = polish(train, chat, random('polish'));
  await write(join(folder, 'polish.jsonl'), random('order/polish').shuffle(thin(last, 'polish')));
  await write(join(folder, 'tokenizer.jsonl'), [...cut, ...format]);
  return {
    pretrain: await write(join(folder, 'pretrain.jsonl'), random('order/text').shuffle(thin(text, 'text'))),
    sft: await write(join(folder, 'sft.jsonl'), random('order/chat').shuffle(thin(chat, 'chat'))),
    dpo: await write(join(folder, 'dpo.jsonl'), pairRandom.shuffle(thin(pairs, 'pairs'))),
    eval: await write(join(folder, 'eval.jsonl'), thin(items, 'items')),
  };
}

const segmenter = new Intl.Segmenter('zh', { granularity: 'word' });

/**
 * Chinese cut into words, a line each, for the tokenizer: without spaces it would take the recipe's own phrases for words,
 * and a question asked in another phrase would be made of tokens that were hardly ever seen.
 */
function wordByWord(text: string): string {
  return text.replace(
    /\p{Script=Han}+/gu,
    (run) => `\n${[...segmenter.segment(run)].map(({ segment }) => segment).join('\n')}\n`,
  );
}

/** At most `counts` topics of each domain in one language. */
function pick(topics: readonly Topic[], language: Language, counts: Record<Domain, number>, random: Random): Topic[] {
  return (Object.keys(counts) as Domain[]).flatMap((domain) =>
    random.sample(
      topics.filter((topic) => topic.domain === domain && topic.language === language),
      counts[domain],
    ),
  );
}

async function write(path: string, rows: readonly object[]): Promise<number> {
  const file = createWriteStream(path);
  for (const row of rows) {
    if (!file.write(`${JSON.stringify(row)}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
  return rows.length;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const [folder, scale] = process.argv.slice(2);
  console.log(await generate(folder, scale === undefined ? 1 : Number(scale)));
}
