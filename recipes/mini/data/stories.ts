/** Short stories from a grammar: who, where, what happened, how it ended. */
import type { Random } from './random.js';
import type { Language } from './topic.js';

const HEROES = [
  ['cat', '小猫'],
  ['dog', '小狗'],
  ['fox', '狐狸'],
  ['rabbit', '兔子'],
  ['bear', '小熊'],
  ['bird', '小鸟'],
  ['mouse', '老鼠'],
  ['horse', '小马'],
  ['frog', '青蛙'],
  ['duck', '小鸭'],
  ['boy', '男孩'],
  ['girl', '女孩'],
  ['king', '国王'],
  ['farmer', '农民'],
  ['sailor', '水手'],
  ['robot', '机器人'],
  ['teacher', '老师'],
  ['baker', '面包师'],
  ['elephant', '大象'],
  ['tiger', '老虎'],
] as const;

const NAMES = [
  ['Mia', '米米'],
  ['Tom', '汤姆'],
  ['Lily', '丽丽'],
  ['Max', '小明'],
  ['Anna', '安安'],
  ['Ben', '贝贝'],
  ['Coco', '可可'],
  ['Leo', '乐乐'],
] as const;

interface Grammar {
  asks: readonly string[];
  unseen: readonly string[];
  kind: readonly string[];
  place: readonly string[];
  /** What happened, and the ending that fits. */
  plot: readonly (readonly [string, string])[];
}

const GRAMMAR: Record<Language, Grammar> = {
  en: {
    asks: [
      'Tell me a story about a {h}.',
      'Tell me a short story about a {h}.',
      'Please tell a story about a {h}.',
      'A story about a {h}, please.',
      'Write a story about a {h}.',
      'I want to hear a story about a {h}.',
      'Can you tell me a story about a {h}?',
      'Do you know a story about a {h}?',
    ],
    unseen: ['Could you tell a short story about a {h}?', 'I would like a story about a {h}.'],
    kind: ['small', 'kind', 'brave', 'lazy', 'clever', 'old', 'hungry', 'happy'],
    place: [
      'in a big forest',
      'near a river',
      'in a small village',
      'on a high mountain',
      'by the sea',
      'in a quiet garden',
      'in a big city',
      'on an island',
    ],
    plot: [
      ['{N} lost a golden key', 'A friend found it, and {N} was happy again.'],
      ['it began to rain and {N} had no umbrella', 'A neighbour opened the door, and they drank tea together.'],
      ['{N} found a box full of bread', '{N} shared the bread with everybody.'],
      ['{N} heard somebody cry', 'It was a baby bird, and {N} carried it home.'],
      ['{N} wanted to see the moon from near', '{N} climbed the hill, and the moon was beautiful.'],
      ['{N} met a wolf on the road', 'They talked for a long time and became friends.'],
      ['the bridge was broken', '{N} built a new bridge with many friends.'],
      ['{N} planted a small seed', 'In summer it was a tall tree with red apples.'],
      ['{N} could not sleep', 'The stars sang a song, and soon {N} slept well.'],
      ['{N} got a letter from far away', 'It was from an old friend, and {N} wrote back at once.'],
    ],
  },
  zh: {
    asks: [
      '讲一个{h}的故事。',
      '给我讲个{h}的故事。',
      '请讲一个关于{h}的故事。',
      '说一个{h}的小故事。',
      '我想听{h}的故事。',
      '你会讲{h}的故事吗？',
      '写一个关于{h}的故事。',
      '请给我讲一个{h}的小故事。',
      '能讲讲{h}的故事吗？',
      '来一个关于{h}的故事。',
      '我要听一个{h}的小故事。',
    ],
    unseen: ['能讲一个关于{h}的小故事吗？', '我想要一个{h}的故事。'],
    kind: ['小小的', '善良的', '勇敢的', '懒惰的', '聪明的', '年老的', '饥饿的', '快乐的'],
    place: [
      '在大森林里',
      '在河边',
      '在一个小村庄里',
      '在高山上',
      '在海边',
      '在安静的花园里',
      '在大城市里',
      '在一个岛上',
    ],
    plot: [
      ['{N}丢了一把金钥匙', '一个朋友找到了它，{N}又高兴起来。'],
      ['下起了雨，{N}没有雨伞', '邻居打开了门，他们一起喝茶。'],
      ['{N}找到了一个装满面包的盒子', '{N}和大家一起分享面包。'],
      ['{N}听到有人在哭', '原来是一只小小鸟，{N}把它带回了家。'],
      ['{N}想近一点看月亮', '{N}爬上了山，月亮真美。'],
      ['{N}在路上遇见一只狼', '他们谈了很久，成了朋友。'],
      ['桥断了', '{N}和许多朋友一起造了一座新桥。'],
      ['{N}种下了一颗小种子', '夏天它长成了一棵结满红苹果的大树。'],
      ['{N}睡不着', '星星唱起了歌，{N}很快就睡着了。'],
      ['{N}收到了一封远方的信', '信是老朋友写的，{N}马上回了信。'],
    ],
  },
};

export interface Story {
  language: Language;
  ask: string;
  text: string;
  hero: string;
}

export function story(random: Random, language: Language, unseen: boolean): Story {
  const grammar = GRAMMAR[language];
  const at = language === 'en' ? 0 : 1;
  const hero = random.pick(HEROES)[at];
  const name = random.pick(NAMES)[at];
  const [event, ending] = random.pick(grammar.plot);
  const kind = random.pick(grammar.kind);
  const place = random.pick(grammar.place);
  const named = (text: string) => text.replaceAll('{N}', name);
  const article = /^[aeiou]/.test(kind) ? 'an' : 'a';
  const text =
    language === 'en'
      ? `Once there was ${article} ${kind} ${hero} called ${name}, who lived ${place}. One day ${named(event)}. ${named(ending)}`
      : `从前，${place}住着一个${kind}${hero}，名叫${name}。有一天，${named(event)}。${named(ending)}`;
  const ask = random
    .pick(unseen ? grammar.unseen : grammar.asks)
    .replace('{h}', hero)
    .replace('a elephant', 'an elephant');
  return { language, ask, text, hero };
}
