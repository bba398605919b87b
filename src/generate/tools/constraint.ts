/**
 * What holds an answer to its format and to valid calls of tools: one grammar for the engine. An answer that may call
 * is free until `<tool_call>` begins; one that must, begins with a call; with a format, it is either calls or what the
 * format says.
 */
import { KaiwenError } from '../../errors.js';
import type { CallFormat } from '../../tokenizer/tool-format.js';
import type { OutputFormat, ToolChoice } from '../api.js';
import type { GrammarSource } from '../engine.js';
import { CLOSE, OPEN } from './call-reader.js';
import type { Tool } from './definitions.js';
import { formatGrammar, formatPart } from './format.js';
import { anyOf, NOTHING_MORE, type Part, sequence, type Tag, tag } from './structural.js';
import { xmlArguments } from './xml-arguments.js';

export interface Wanted {
  format?: OutputFormat;
  tools: readonly Tool[];
  choice: ToolChoice;
  /** Whether there may be several calls. */
  parallel: boolean;
  calls: CallFormat;
}

/** Undefined: any text will do. Throws KaiwenError 'bad_input' where a call is asked for that cannot be made. */
export function answerGrammar({ format = { type: 'text' }, tools, choice, parallel, calls }: Wanted) {
  const callable = callableTools(tools, choice);
  if (callable.length === 0) return formatGrammar(format);
  const tags = callable.map((tool) => callTag(tool, calls));
  if (choice === 'auto' && format.type === 'text') {
    return structural({ type: 'triggered_tags', triggers: [OPEN], tags, stop_after_first: !parallel });
  }
  const some: Part = {
    type: 'tags_with_separator',
    tags,
    separator: '\n',
    at_least_one: true,
    stop_after_first: !parallel,
  };
  return structural(choice === 'auto' ? anyOf([sequence([formatPart(format), NOTHING_MORE]), some]) : some);
}

function callableTools(tools: readonly Tool[], choice: ToolChoice): readonly Tool[] {
  if (choice === 'none') return [];
  if (choice === 'auto') return tools;
  const chosen = choice === 'required' ? tools : tools.filter(({ name }) => name === choice.name);
  if (chosen.length > 0) return chosen;
  const what = choice === 'required' ? 'a tool' : `the tool "${choice.name.slice(0, 200)}"`;
  throw new KaiwenError('bad_input', `The answer must call ${what}, and there is none.`, {
    remedy: 'Define it in tools.',
  });
}

function callTag({ name, parameters }: Tool, format: CallFormat): Tag {
  if (format === 'xml') {
    return tag(`${OPEN}\n<function=${name}>\n`, xmlArguments(parameters), `</function>\n${CLOSE}`);
  }
  return tag(
    `${OPEN}\n{"name": "${name}", "arguments": `,
    { type: 'json_schema', json_schema: parameters },
    `}\n${CLOSE}`,
  );
}

function structural(format: Part): GrammarSource {
  return { kind: 'structural', tag: JSON.stringify({ type: 'structural_tag', format }) };
}
