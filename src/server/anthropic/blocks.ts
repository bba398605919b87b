/**
 * The content blocks of messages. What is text in the end (documents in plain text, search results) is read as text;
 * what this server cannot read (images, files, results of Anthropic's own tools) is refused by its name.
 */
import { z } from 'zod';
import { jsonObject, list } from '../fields.js';

export type Block =
  | { type: 'text'; text: string }
  | { type: 'thinking'; thinking: string }
  | { type: 'tool_use'; id: string; name: string; input: { [key: string]: unknown } }
  | { type: 'tool_result'; id: string; text: string; failed: boolean };

const text = z.object({ text: z.string() }).transform(({ text }): Block => ({ type: 'text', text }));

const plainSource = z.object({ type: z.literal('text', 'only text is supported'), data: z.string() });
const partsSource = z.object({ type: z.literal('content'), content: z.lazy(() => textContent) });
const document = z
  .object({
    source: z.union([plainSource, partsSource], 'only documents of plain text are supported'),
    title: z.string().nullish(),
    context: z.string().nullish(),
    citations: z.object({ enabled: z.literal(false, 'citations are not supported').optional() }).nullish(),
  })
  .transform(({ source, title, context }): Block => {
    const body = source.type === 'text' ? source.data : source.content;
    return { type: 'text', text: [title, context, body].filter(Boolean).join('\n') };
  });

const searchResult = z
  .object({ source: z.string(), title: z.string(), content: z.lazy(() => textContent) })
  .transform(({ source, title, content }): Block => ({ type: 'text', text: [title, source, content].join('\n') }));

const thinking = z
  .object({ thinking: z.string() })
  .transform(({ thinking }): Block => ({ type: 'thinking', thinking }));
/** Only Anthropic can read what it holds. */
const redacted = z.object({ data: z.string() }).transform((): Block => ({ type: 'thinking', thinking: '' }));

const toolUse = z
  .object({ id: z.string().min(1), name: z.string().min(1), input: jsonObject })
  .transform(({ id, name, input }): Block => ({ type: 'tool_use', id, name, input }));

const toolResult = z
  .object({
    tool_use_id: z.string().min(1),
    content: z.lazy(() => z.union([z.string(), blocks(RESULT)])).nullish(),
    is_error: z.boolean().nullish(),
  })
  .transform(({ tool_use_id: id, content, is_error: failed }): Block => {
    const text = typeof content === 'string' ? content : joined(content ?? []);
    return { type: 'tool_result', id, text, failed: failed === true };
  });

type Kinds = ReadonlyMap<string, z.ZodType<Block>>;
const READ: [string, z.ZodType<Block>][] = [
  ['text', text],
  ['document', document],
  ['search_result', searchResult],
];
const TEXT: Kinds = new Map<string, z.ZodType<Block>>([['text', text]]);
const RESULT: Kinds = new Map(READ);
const USER: Kinds = new Map<string, z.ZodType<Block>>([...READ, ['tool_result', toolResult]]);
const ASSISTANT: Kinds = new Map<string, z.ZodType<Block>>([
  ['text', text],
  ['thinking', thinking],
  ['redacted_thinking', redacted],
  ['tool_use', toolUse],
]);

/** A list of blocks of these kinds. */
function blocks(kinds: Kinds): z.ZodType<Block[]> {
  const block = z.looseObject({ type: z.string() }).transform((value, context): Block => {
    const kind = kinds.get(value.type);
    if (!kind) {
      const known = [...kinds.keys()].join(', ');
      const message = `'${value.type.slice(0, 100)}' blocks are not supported here, only ${known}`;
      context.addIssue({ code: 'custom', path: ['type'], message });
      return z.NEVER;
    }
    const result = kind.safeParse(value);
    if (result.success) return result.data;
    context.issues.push({ ...result.error.issues[0], input: value } as z.core.$ZodRawIssue);
    return z.NEVER;
  });
  return list(block, 'expected a string or an array of content blocks');
}

/** A string is one block of text. */
function content(kinds: Kinds): z.ZodType<Block[]> {
  return z.preprocess((value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value), blocks(kinds));
}

export const userContent = content(USER);
export const assistantContent = content(ASSISTANT);
/** Text alone, its blocks a line each. */
export const textContent: z.ZodType<string> = content(TEXT).transform(joined);

function joined(all: readonly Block[]): string {
  return all.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
}
