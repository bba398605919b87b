/** The parts of xgrammar's structural tags that constraints are made of, and what has no part of its own there. */
import type { Json } from '../../formats/checkpoint.js';

export type Part =
  | { type: 'any_text' }
  | { type: 'const_string'; value: string }
  | { type: 'json_schema'; json_schema: Json }
  | { type: 'regex'; pattern: string }
  | { type: 'grammar'; grammar: string }
  | { type: 'sequence' | 'or'; elements: Part[] }
  | Tag
  | { type: 'triggered_tags'; triggers: string[]; tags: Tag[]; stop_after_first: boolean }
  | { type: 'tags_with_separator'; tags: Tag[]; separator: string; at_least_one: boolean; stop_after_first: boolean };

export interface Tag {
  type: 'tag';
  begin: string;
  content: Part;
  end: string;
}

export const EMPTY: Part = { type: 'grammar', grammar: 'root ::= ""' };

export const tag = (begin: string, content: Part, end: string): Tag => ({ type: 'tag', begin, content, end });

/** `parts` one after the other. */
export function sequence(parts: Part[]): Part {
  return parts.length === 0 ? EMPTY : parts.length === 1 ? parts[0] : { type: 'sequence', elements: parts };
}

export function anyOf(parts: Part[]): Part {
  return parts.length === 1 ? parts[0] : { type: 'or', elements: parts };
}

/** As EBNF: the library has no choice among fixed texts that may be empty. */
export function choiceGrammar(choices: readonly string[]): string {
  return `root ::= ${[...new Set(choices)].map(quoted).join(' | ')}`;
}

/** A list that can only be empty. The library chooses only among parts that all end, or all may go on, by themselves. */
export const NOTHING_MORE: Part = {
  type: 'tags_with_separator',
  tags: [tag('', EMPTY, '')],
  separator: '\n',
  at_least_one: false,
  stop_after_first: true,
};

function quoted(text: string): string {
  const escaped = text.replace(/["\\\p{Cc}]/gu, (char) => {
    if (char === '"' || char === '\\') return `\\${char}`;
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}
