/** One thing to ask a model, and how its answer is judged. Layouts of files become items; the rest knows only these. */
import type { JsonObject } from '../formats/checkpoint.js';
import type { TemplateMessage, ToolCall } from '../tokenizer/chat-template.js';

export type Match = 'exact' | 'contains' | 'numeric' | 'regex';

export type Task =
  /** The model writes an answer, which must match one of those expected. */
  | { kind: 'answer'; expected: readonly string[]; match: Match }
  /** The likeliest of several answers counts. `answer`: index into `choices`. */
  | { kind: 'choice'; question: string; choices: readonly string[]; answer: number }
  /** The model calls functions: these, in any order, or none. */
  | { kind: 'calls'; expected: readonly ToolCall[] }
  /** The model completes a program, and the program's tests run. */
  | { kind: 'code'; program: 'python' | 'javascript'; prefix: string; tests: string; entryPoint?: string }
  /** Nothing is asked: how well is the text predicted? */
  | { kind: 'text'; text: string; control: boolean }
  /** Nothing is asked: how well are the assistant's turns of the conversation predicted? */
  | { kind: 'conversation' };

export interface Item {
  /** Unique among the items of a run. */
  id: string;
  /** File and line, for messages. */
  where: string;
  domain?: string;
  language?: string;
  /** The conversation up to the answer, or a whole one; empty for texts. */
  messages: readonly TemplateMessage[];
  tools?: readonly JsonObject[];
  /** What stands before the answer without a chat template. */
  raw: string;
  /** A good answer, for examples before the question. */
  reference: string;
  task: Task;
}

export type Kind = Task['kind'];

/** A, B, C …: what choices are called. */
export const letter = (index: number): string => String.fromCharCode(65 + index);
