/** Topics become what training reads: plain text, conversations, preference pairs, and evaluation items. */
import { type Calculation, calculation, calculatorTool, UNSEEN_TOOL } from './calculator.js';
import type { Random } from './random.js';
import type { Story } from './stories.js';
import type { Domain, Language, Match, Topic } from './topic.js';

export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  tool_calls?: { type: 'function'; function: { name: string; arguments: Record<string, unknown> } }[];
}

export interface Chat {
  messages: Message[];
  tools?: readonly unknown[];
  source: string;
  license: string;
}

export interface Pair {
  prompt: Message[];
  chosen: Message[];
  rejected: Message[];
  tools?: readonly unknown[];
  source: string;
  license: string;
}

export interface Item {
  messages: Message[];
  tools?: readonly unknown[];
  expected?: string;
  match?: Match;
  /** Instead of `expected`: the calls that must be made. */
  expected_calls?: readonly { name: string; arguments: Record<string, unknown> }[];
  domain: Domain;
  language: Language;
}

const LICENSE = 'Apache-2.0';
const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });
const labels = (domain: string) => ({ source: `generated:${domain}`, license: LICENSE });

const SYSTEM: Record<Language, readonly string[]> = {
  en: [
    'You are a helpful assistant.',
    'You are Kaiwen mini.',
    'Answer briefly.',
    'You are a friendly assistant. Answer in one sentence.',
    'Help the user.',
  ],
  zh: ['你是一个有用的助手。', '你是开问小模型。', '请简短回答。', '你是友好的助手，请用一句话回答。', '请帮助用户。'],
};

const AROUND: Record<Language, readonly string[]> = {
  en: [
    'Please answer: {q}',
    'I have a question. {q}',
    'Hello! {q}',
    'Hi, {q}',
    'Quick question: {q}',
    'Tell me, {q}',
    '{q} Thanks.',
    '{q} Please be brief.',
    'OK. {q}',
    'Question: {q}',
    'Sorry, {q}',
    'Excuse me, {q}',
  ],
  zh: [
    '请问，{q}',
    '我有一个问题。{q}',
    '你好！{q}',
    '问一下，{q}',
    '请回答：{q}',
    '{q}谢谢。',
    '{q}请简短回答。',
    '好的。{q}',
    '问题：{q}',
    '想问问，{q}',
  ],
};

/** Chinese questions within another: 法国的首都是哪里 becomes 你知道法国的首都是哪里吗？ */
const WITHIN = [
  '请问{q}？',
  '你知道{q}吗？',
  '能告诉我{q}吗？',
  '我想知道{q}。',
  '可以说说{q}吗？',
  '想问一下{q}？',
  '请告诉我{q}。',
  '能不能说一下{q}？',
  '谁知道{q}？',
  '能说说{q}吗？',
];

/** What small talk begins with now and then. */
const BEFORE: Record<Language, readonly string[]> = {
  en: ['Hey, ', 'Well, ', 'So, ', 'OK, ', 'Hm, ', 'Oh, '],
  zh: ['嗯，', '那，', '喂，', '哎，', '哦，', '对了，'],
};

type Asked = Pick<Topic, 'language' | 'domain'> & Partial<Pick<Topic, 'unseen'>>;

/** A question as people type it: sometimes within other words, sometimes careless; never as the evaluation asks. */
export function asTyped(random: Random, topic: Asked, ask: string): string {
  const typed = reworded(random, topic, ask);
  return topic.unseen?.some((one) => one.toLowerCase() === typed.toLowerCase()) ? ask : typed;
}

function reworded(random: Random, { language, domain }: Asked, ask: string): string {
  if (domain === 'stories') return ask;
  if (domain === 'talk') {
    if (random.chance(0.2)) return random.pick(BEFORE[language]) + (language === 'en' ? lowered(ask) : ask);
    return random.chance(0.1) ? ask.replace(/[?.!。？！]$/, '') : ask;
  }
  if (language === 'zh' && /^[^请告你说我能把解写求计]/.test(ask) && ask.endsWith('？') && random.chance(0.25)) {
    return random.pick(WITHIN).replace('{q}', ask.slice(0, -1));
  }
  if (random.chance(0.2)) return random.pick(AROUND[language]).replace('{q}', ask);
  if (random.chance(0.1)) return ask.replace(/[?.。？]$/, '');
  if (language === 'en' && random.chance(0.06)) return ask.toLowerCase();
  return ask;
}

/** With a small first letter, unless that is the word I. */
function lowered(text: string): string {
  return /^I\b/.test(text) ? text : text.charAt(0).toLowerCase() + text.slice(1);
}

/** `times` as a whole number, drawn so that its mean is right. */
function rounded(random: Random, times: number): number {
  return Math.floor(times) + (random.chance(times % 1) ? 1 : 0);
}

export function texts(topics: readonly Topic[], random: Random): string[] {
  const out: string[] = [];
  for (const topic of topics) {
    if (topic.asks.length === 0) continue;
    for (let i = rounded(random, topic.texts); i > 0; i--) {
      if (topic.statements.length > 0 && random.chance(0.55)) out.push(random.pick(topic.statements));
      else {
        const ask = asTyped(random, topic, random.pick(topic.asks));
        out.push(
          topic.language === 'en'
            ? `Question: ${ask}\nAnswer: ${random.pick(topic.answers)}`
            : `问：${ask}\n答：${random.pick(topic.answers)}`,
        );
      }
    }
  }
  return out;
}

/** One question and its answer; `tools` are on offer now and then, though this question does not need them. */
export function single(topic: Topic, random: Random): Chat {
  const messages = [user(asTyped(random, topic, random.pick(topic.asks))), assistant(random.pick(topic.answers))];
  if (random.chance(0.07)) messages.unshift({ role: 'system', content: random.pick(SYSTEM[topic.language]) });
  const offer = topic.call === undefined && topic.domain !== 'unknown' && random.chance(0.012);
  return { messages, ...(offer ? { tools: [calculatorTool(random)] } : {}), ...labels(topic.domain) };
}

export function chats(topics: readonly Topic[], random: Random): Chat[] {
  const singles: { language: Language; chat: Chat }[] = [];
  for (const topic of topics) {
    if (topic.asks.length === 0) continue;
    for (let i = rounded(random, topic.chats); i > 0; i--) {
      singles.push({ language: topic.language, chat: single(topic, random) });
    }
  }
  return join(random.shuffle(singles), random);
}

/** Some conversations have two or three questions; the language stays. */
function join(singles: { language: Language; chat: Chat }[], random: Random): Chat[] {
  const out: Chat[] = [];
  const open: Partial<Record<Language, { chat: Chat; left: number }>> = {};
  for (const { language, chat } of singles) {
    const plain = chat.tools === undefined && chat.messages[0].role === 'user';
    const waiting = open[language];
    if (plain && waiting !== undefined) {
      waiting.chat.messages.push(...chat.messages);
      if (--waiting.left === 0) delete open[language];
      continue;
    }
    out.push(chat);
    if (chat.tools === undefined && random.chance(0.09)) open[language] = { chat, left: random.int(1, 2) };
  }
  return out;
}

function call(expression: string): Message {
  return {
    role: 'assistant',
    content: '',
    tool_calls: [{ type: 'function', function: { name: 'calculator', arguments: { expression } } }],
  };
}

export function calculatorChat(random: Random, language: Language): Chat {
  const { ask, expression, result, statement } = calculation(random, language, false);
  const asked = asTyped(random, { language, domain: 'calculator' }, ask);
  const messages: Message[] = [user(asked), call(expression), { role: 'tool', content: result }, assistant(statement)];
  return { messages, tools: [calculatorTool(random)], ...labels('calculator') };
}

export function storyChat({ ask, text }: Story): Chat {
  return { messages: [user(ask), assistant(text)], ...labels('stories') };
}

export function pair(topic: Topic, random: Random): Pair {
  return {
    prompt: [user(asTyped(random, topic, random.pick(topic.asks)))],
    chosen: [assistant(random.pick(topic.answers))],
    rejected: [assistant(random.pick(topic.wrong))],
    ...labels(topic.domain),
  };
}

/** Calling the calculator against guessing. */
export function calculatorPair(random: Random, language: Language): Pair {
  const { ask, expression, guess }: Calculation = calculation(random, language, false);
  return {
    prompt: [user(ask)],
    chosen: [call(expression)],
    rejected: [assistant(guess)],
    tools: [calculatorTool(random)],
    ...labels('calculator'),
  };
}

export function item(topic: Topic, random: Random): Item {
  const { domain, language, expected, match } = topic;
  return { messages: [user(random.pick(topic.unseen))], expected, match, domain, language };
}

/** Two items: is the calculator called with the right expression, and is its result then told? */
export function calculatorItems(random: Random, language: Language): Item[] {
  const { ask, expression, result } = calculation(random, language, true);
  const common = { tools: [UNSEEN_TOOL], domain: 'calculator', language } as const;
  const called = { name: 'calculator', arguments: { expression } };
  return [
    { messages: [user(ask)], ...common, expected_calls: [called] },
    {
      messages: [user(ask), call(expression), { role: 'tool', content: result }],
      ...common,
      expected: result,
      match: 'numeric',
    },
  ];
}

export function storyItem({ ask, hero, language }: Story): Item {
  const opening = language === 'en' ? 'Once there was' : '从前，';
  return { messages: [user(ask)], expected: `^${opening}.*${hero}`, match: 'regex', domain: 'stories', language };
}
