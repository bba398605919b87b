/** What a line of data becomes, whatever its shape was. */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import type { TemplateMessage } from '../tokenizer/chat-template.js';

export interface Message extends TemplateMessage {
  /** From 0 to 1: how much the turn counts in the loss. Absent: as the loss setting says. */
  weight?: number;
}

export type Example =
  | { kind: 'text'; text: string }
  /** Plain text of which only the second part is learned. */
  | { kind: 'completion'; prompt: string; completion: string }
  | { kind: 'chat'; messages: Message[]; tools?: JsonObject[] }
  /** Two endings of one beginning, the better one first. */
  | { kind: 'pair'; prompt: Message[]; chosen: Message[]; rejected: Message[]; tools?: JsonObject[] }
  | { kind: 'plain-pair'; prompt: string; chosen: string; rejected: string };

/** An example with what is known of its origin. */
export interface Item {
  example: Example;
  licence?: string;
  source?: string;
}

/** What is wrong with a line; the reader knows which. */
export class Fault extends KaiwenError {
  constructor(message: string, remedy?: string) {
    super('bad_input', message, { remedy });
  }
}

/** The texts of an example, for filters, hashes and masking. */
export function textsOf(example: Example): string[] {
  if (example.kind === 'text') return [example.text];
  if (example.kind === 'completion') return [example.prompt, example.completion];
  if (example.kind === 'plain-pair') return [example.prompt, example.chosen, example.rejected];
  const messages =
    example.kind === 'chat' ? example.messages : [...example.prompt, ...example.chosen, ...example.rejected];
  return messages.flatMap(({ content, thinking }) => (thinking === undefined ? [content] : [thinking, content]));
}

/** What must not stand on both sides of a split: the document, or what the user asked first. */
export function questionOf(example: Example): string {
  if (example.kind === 'text') return example.text;
  if (example.kind === 'completion' || example.kind === 'plain-pair') return example.prompt || textsOf(example)[1];
  const messages = example.kind === 'chat' ? example.messages : [...example.prompt, ...example.chosen];
  return (messages.find(({ role }) => role === 'user') ?? messages[0]).content;
}
