/** What a model is asked: an item's conversation, or its text without a template, behind examples of its kind. */
import type { TemplateMessage } from '../tokenizer/chat-template.js';
import type { Item } from './item.js';

export interface PromptSettings {
  /** Before every conversation that has no system message. */
  system?: string;
  /** Solved items that come first. */
  shots?: readonly Item[];
}

/** The conversation up to the answer. */
export function conversation(item: Item, { system, shots = [] }: PromptSettings): TemplateMessage[] {
  const examples = shotsFor(item, shots).flatMap(({ messages, reference }): TemplateMessage[] => [
    ...messages,
    { role: 'assistant', content: reference },
  ]);
  const messages = [...examples, ...item.messages];
  const first = messages.find(({ role }) => role === 'system')?.content ?? system;
  const rest = messages.filter(({ role }) => role !== 'system');
  return first === undefined ? rest : [{ role: 'system', content: first }, ...rest];
}

/** The same as plain text to be continued. */
export function continuation(item: Item, { shots = [] }: PromptSettings): string {
  const examples = shotsFor(item, shots).map(({ raw, reference }) => `${raw} ${reference}\n\n`);
  return examples.join('') + item.raw;
}

/** Where a continued text has gone on to something else. */
export function stopsOf(item: Item): string[] {
  if (item.task.kind !== 'code') return ['\nQuestion:', '\n\nQuestion'];
  return item.task.program === 'python'
    ? ['\nclass ', '\ndef ', '\n#', '\nif __name__', '\nprint(']
    : ['\nfunction ', '\nconst ', '\nclass ', '\n//', '\nconsole.'];
}

function shotsFor(item: Item, shots: readonly Item[]): Item[] {
  return shots.filter(({ id, task }) => task.kind === item.task.kind && id !== item.id);
}
