/** From what a client asks an answer to be to the grammar that holds it to that. */
import { KaiwenError } from '../../errors.js';
import type { Json } from '../../formats/checkpoint.js';
import type { OutputFormat } from '../api.js';
import type { GrammarSource } from '../engine.js';
import { isObject } from './definitions.js';
import { choiceGrammar, type Part } from './structural.js';

/** Undefined: any text. Throws KaiwenError 'bad_input' on a schema that is none, or a choice of nothing. */
export function formatGrammar(format: OutputFormat): GrammarSource | undefined {
  switch (format.type) {
    case 'text':
      return undefined;
    case 'json':
      return { kind: 'json' };
    case 'json_schema':
      return { kind: 'json_schema', schema: JSON.stringify(checked(format.schema)) };
    case 'regex':
      return { kind: 'regex', pattern: format.pattern };
    case 'grammar':
      return { kind: 'ebnf', grammar: format.ebnf };
    case 'choice':
      return { kind: 'ebnf', grammar: choices(format.choices) };
  }
}

/** The same as a part of a larger grammar. */
export function formatPart(format: OutputFormat): Part {
  switch (format.type) {
    case 'text':
      return { type: 'any_text' };
    case 'json':
      return { type: 'json_schema', json_schema: true };
    case 'json_schema':
      return { type: 'json_schema', json_schema: checked(format.schema) };
    case 'regex':
      return { type: 'regex', pattern: format.pattern };
    case 'grammar':
      return { type: 'grammar', grammar: format.ebnf };
    case 'choice':
      return { type: 'grammar', grammar: choices(format.choices) };
  }
}

function checked(schema: Json): Json {
  if (typeof schema === 'boolean' || isObject(schema)) return schema;
  throw new KaiwenError('bad_input', 'The JSON Schema is no schema.', { remedy: 'Give an object or a boolean.' });
}

function choices(list: readonly string[]): string {
  if (list.length > 0) return choiceGrammar(list);
  throw new KaiwenError('bad_input', 'There is nothing to choose from.', { remedy: 'Give at least one choice.' });
}
