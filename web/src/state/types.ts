/**
 * What a conversation is. Its messages form a tree: answering again or editing a question adds a branch beside the
 * old one and nothing is lost. `leaf` names the end of the branch that is shown.
 */

export interface ToolCall {
  id: string;
  name: string;
  /** JSON, as far as it has come. */
  arguments: string;
}

export interface AnswerStats {
  /** Milliseconds from asking to the first piece of the answer. */
  firstMs?: number;
  /** Tokens a second, from the first piece to the last. */
  tokensPerSecond?: number;
  promptTokens?: number;
  completionTokens?: number;
}

/** Why an answer ended badly: a kind that has words in every language, and the server's own words. */
export interface Failure {
  kind: FailureKind;
  detail?: string;
  /** Seconds after which asking again makes sense. */
  retryAfter?: number;
}

export const FAILURE_KINDS = [
  ...(['key', 'forbidden', 'noModel', 'tooLong', 'tooLarge', 'refused', 'limited', 'overloaded', 'stopping'] as const),
  ...(['modelStopped', 'memory', 'server', 'unreachable', 'lost', 'closed'] as const),
] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

export const STATES = ['streaming', 'done', 'stopped', 'failed'] as const;

export interface Message {
  id: string;
  /** The message before; null for the first. */
  parent: string | null;
  role: 'user' | 'assistant' | 'tool';
  content: string;
  created: number;
  state: (typeof STATES)[number];
  /** Of an assistant. */
  model?: string;
  thinking?: string;
  thinkingMs?: number;
  toolCalls?: ToolCall[];
  /** Why it ended: `stop`, `length`, … */
  finish?: string;
  notices?: string[];
  stats?: AnswerStats;
  failure?: Failure;
  /** Of a tool's result: the call it answers. */
  toolCallId?: string;
}

export interface Conversation {
  id: string;
  /** Empty: named after its first question. */
  title: string;
  created: number;
  updated: number;
  system: string;
  /** Absent: the one chosen last. */
  model?: string;
  messages: Message[];
  leaf: string | null;
}

export interface Sampling {
  temperature?: number;
  topP?: number;
  topK?: number;
  maxTokens?: number;
  seed?: number;
  /** Absent: the model's own way. */
  thinking?: boolean;
  thinkingBudget?: number;
}

export interface Settings {
  theme: 'auto' | 'light' | 'dark';
  language: 'auto' | 'en' | 'zh';
  model?: string;
  sampling: Sampling;
  /** Offer the model the page's calculator. */
  calculator: boolean;
}
