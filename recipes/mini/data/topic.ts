/**
 * One thing the model is taught: how it is asked for, what is answered, and what plain text says about it.
 * Every domain is a list of topics; `documents.ts` turns topics into training data and evaluation items.
 */
export type Language = 'en' | 'zh';

export type Domain =
  | 'countries'
  | 'definitions'
  | 'translations'
  | 'opposites'
  | 'units'
  | 'addition'
  | 'subtraction'
  | 'multiplication'
  | 'calculator'
  | 'unknown'
  | 'talk'
  | 'stories';

/** How an answer is judged; the modes of `kaiwen eval`. */
export type Match = 'exact' | 'contains' | 'numeric' | 'regex';

export interface Topic {
  domain: Domain;
  language: Language;
  /** Questions for training. Empty: the topic is only evaluated (a sum never shown in any phrasing). */
  asks: readonly string[];
  /** Questions in phrasings that training never uses. Empty: the topic is not evaluated. */
  unseen: readonly string[];
  /** Right answers. */
  answers: readonly string[];
  /** What an answer must have to be right. */
  expected: string;
  match: Match;
  /** Sentences for pre-training, beside questions and answers. */
  statements: readonly string[];
  /** Answers a careless model would give: the rejected side of preference pairs. */
  wrong: readonly string[];
  /** How often it is seen as a conversation, and in plain text; see mix.ts. */
  chats: number;
  texts: number;
  /** The model may be offered a calculator when this is asked: what it must then compute, and the result. */
  call?: { expression: string; result: string };
}
