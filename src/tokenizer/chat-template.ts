/**
 * Renders a conversation with the model's own Jinja template (ChatML where it has none) into token ids.
 *
 * What people wrote never becomes a control token. In their texts every character with which a control token could
 * begin (for Qwen: `<`) is replaced by a stand-in, a private-use character that occurs in none of them, before the
 * template runs; control tokens are then looked for while the stand-ins are in place, so that each must begin with a
 * character of the template. Literals that the template compares texts with (`content.split('</think>')`) get the
 * same stand-ins, so its string operations work as they would without.
 */
import { KaiwenError } from '../errors.js';
import type { Json, JsonObject } from '../formats/checkpoint.js';
import { parseJson } from '../formats/json.js';
import { type Program, parseTemplate, runTemplate, TemplateRefusal } from './jinja.js';
import { mapOperands } from './template-literals.js';
import type { Tokenizer } from './tokenizer.js';
import { type CallFormat, callFormat, type PlainMessage, toolsAsText } from './tool-format.js';

export interface TemplateMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  thinking?: string;
  /** What an assistant calls besides or instead of its content. */
  toolCalls?: readonly ToolCall[];
  /** Of a tool's message: the call that it answers. Results are put in the order of their calls. */
  toolCallId?: string;
  name?: string;
}

export interface ToolCall {
  /** By which a tool's message refers to it. */
  id?: string;
  name: string;
  /** An object; a text of JSON is taken as what it says. */
  arguments: Json;
}

export interface RenderOptions {
  /** Definitions of the tools that may be called, passed on as they are. */
  tools?: readonly JsonObject[];
  /** Passed on as `enable_thinking`; absent: the template's own default. */
  think?: boolean;
  /** End with the opening of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean;
}

export interface RenderedChat {
  tokens: number[];
  /** The prompt ends inside a thinking block that the template opened. */
  thinkingOpen: boolean;
  /** The prompt ends behind a thinking block that the template closed: there is to be none. */
  thinkingClosed: boolean;
}

/** Prefixes of one conversation, rendered so that their texts compare with each other; a trainer finds turns by it. */
export interface Conversation {
  /**
   * The first `count` messages as the template writes them when they are all, with stand-ins in what people wrote.
   * Throws KaiwenError 'bad_input' if the template refuses them.
   */
  text(count: number, addGenerationPrompt: boolean): string;
  /** The control tokens of such a text, in order. */
  controls(text: string): { id: number; start: number; end: number }[];
  /** The ids of such a text or of a piece of it that cuts no control token. */
  encode(text: string): number[];
}

export const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** More than any context holds; each takes a template's steps, during which a server answers nobody else. */
const MOST_MESSAGES = 10_000;
/** What a template may take; Qwen3's takes some 100 a message. */
const STEPS = 100_000;
const STEPS_PER_MESSAGE = 2_000;

const REPAIR = 'Correct or remove chat_template; without one, ChatML is used.';

const ROLES = ['system', 'user', 'assistant', 'tool'];

export class ChatTemplate {
  /** The template knows thinking. */
  readonly canThink: boolean;
  /** How calls of tools are written. */
  readonly calls: CallFormat;
  readonly #knowsTools: boolean;
  readonly #tokenizer: Tokenizer;
  readonly #source: string;
  readonly #name: string;
  readonly #control: RegExp | undefined;
  readonly #starts: readonly string[];
  #last?: { key: string; program: Program };

  /** `source`: Jinja, undefined for ChatML; `name`: the model, for messages. Throws KaiwenError 'bad_file' on bad syntax. */
  constructor(source: string | undefined, tokenizer: Tokenizer, name: string) {
    this.#tokenizer = tokenizer;
    this.#source = source ?? CHATML;
    this.#name = name;
    this.canThink = /enable_thinking|<\/?think>/.test(this.#source);
    const format = callFormat(this.#source);
    this.#knowsTools = format !== undefined;
    this.calls = format ?? 'hermes';
    const names = [...tokenizer.controlTokens.keys()].filter((text) => text !== '');
    names.sort((a, b) => b.length - a.length);
    this.#starts = [...new Set(names.map((text) => String.fromCodePoint(text.codePointAt(0)!)))];
    this.#control = names.length === 0 ? undefined : new RegExp(names.map(escapeRegExp).join('|'), 'g');
    this.#parse();
  }

  /** Throws KaiwenError 'bad_input' if the template refuses the conversation. */
  render(messages: readonly TemplateMessage[], options: RenderOptions = {}): RenderedChat {
    const conversation = this.open(messages, options);
    const text = conversation.text(messages.length, options.addGenerationPrompt ?? true);
    const [thinkingOpen, thinkingClosed] = [/<think>\s*$/, /<\/think>\s*$/].map((end) => end.test(text));
    return { tokens: conversation.encode(text), thinkingOpen, thinkingClosed };
  }

  /** A conversation of which any prefix can be rendered. */
  open(messages: readonly TemplateMessage[], options: Omit<RenderOptions, 'addGenerationPrompt'> = {}): Conversation {
    if (messages.length > MOST_MESSAGES) {
      throw new KaiwenError('bad_input', `The conversation has ${messages.length} messages.`, {
        remedy: `At most ${MOST_MESSAGES} are read: leave out the oldest.`,
      });
    }
    for (const { role } of messages) {
      if (!ROLES.includes(role)) {
        throw new KaiwenError('bad_input', `A message has the role "${role}".`, {
          remedy: `Roles are ${ROLES.join(', ')}.`,
        });
      }
    }
    const ordered = inOrderOfCalls(messages).map(withArguments);
    const standIns = this.#standIns([...ordered, ...(options.tools ?? [])]);
    const hide = (text: string) => replaceAll(text, standIns);
    const program = this.#prepared(standIns);
    const tools = options.tools?.length ? (mapTexts(options.tools, hide) as JsonObject[]) : undefined;
    const variables = {
      ...(tools && this.#knowsTools && { tools }),
      ...(options.think !== undefined && { enable_thinking: options.think }),
      bos_token: this.#controlText(this.#tokenizer.bosToken),
      eos_token: this.#controlText(this.#tokenizer.eosTokens[0]),
    };
    const hidden = ordered.map(
      ({ role, content, thinking, toolCalls, toolCallId, name }): PlainMessage => ({
        role,
        content: hide(content),
        ...(thinking !== undefined && { reasoning_content: hide(thinking) }),
        ...(toolCalls?.length && {
          tool_calls: toolCalls.map(({ id, ...call }) => ({
            type: 'function',
            ...(id !== undefined && { id: hide(id) }),
            function: mapTexts(call, hide) as { name: string; arguments: Json },
          })),
        }),
        ...(toolCallId !== undefined && { tool_call_id: hide(toolCallId) }),
        ...(name !== undefined && { name: hide(name) }),
      }),
    );
    const shown = (some: PlainMessage[]) => (this.#knowsTools ? some : toolsAsText(some, tools));
    return {
      text: (count, addGenerationPrompt) =>
        this.#run(program, count, {
          messages: shown(hidden.slice(0, count)),
          add_generation_prompt: addGenerationPrompt,
          ...variables,
        }),
      controls: (text) =>
        Array.from(this.#control ? text.matchAll(this.#control) : [], ({ 0: match, index }) => ({
          id: this.#tokenizer.controlTokens.get(match)!,
          start: index,
          end: index + match.length,
        })),
      encode: (text) => this.#encode(text, standIns),
    };
  }

  /** The template with the literals it compares texts with written in stand-ins; those are nearly always the same. */
  #prepared(standIns: ReadonlyMap<string, string>): Program {
    const key = [...standIns.values()].join('');
    if (this.#last?.key !== key) {
      const program = this.#parse();
      mapOperands(program, (text) => replaceAll(text, standIns));
      this.#last = { key, program };
    }
    return this.#last.program;
  }

  #encode(text: string, standIns: ReadonlyMap<string, string>): number[] {
    const back = new Map(Array.from(standIns, ([from, to]) => [to, from]));
    const plain = replaceAll(text, back);
    const tokenizer = this.#tokenizer;
    if (!this.#control) return tokenizer.encode(plain);
    // Where the texts hold nothing that looks like a control token, the tokenizer may as well look for itself.
    const count = (string: string) => string.normalize('NFC').match(this.#control!)?.length ?? 0;
    if (count(plain) === count(text)) return tokenizer.encode(plain, { control: true });
    const tokens: number[] = [];
    const encode = (segment: string) => {
      if (segment) for (const id of tokenizer.encode(replaceAll(segment, back))) tokens.push(id);
    };
    let end = 0;
    for (const match of text.matchAll(this.#control)) {
      encode(text.slice(end, match.index));
      tokens.push(tokenizer.controlTokens.get(match[0])!);
      end = match.index + match[0].length;
    }
    encode(text.slice(end));
    return tokens;
  }

  /** For each character that begins a control token a private-use character that no text below `values` and no template holds. */
  #standIns(values: readonly unknown[]): Map<string, string> {
    const texts: string[] = [];
    mapTexts(values, (text) => {
      texts.push(text);
      return text;
    });
    const taken = [this.#source, ...texts].filter((text) => /[\uE000-\uF8FF\u{F0000}-\u{10FFFD}]/u.test(text));
    const standIns = new Map<string, string>();
    let code = 0xe000;
    for (const start of this.#starts) {
      let standIn: string;
      do {
        if (code === 0xf900) code = 0xf0000;
        if (code > 0x10fffd) throw new KaiwenError('bad_input', 'The conversation holds every private-use character.');
        standIn = String.fromCodePoint(code++);
      } while (taken.some((text) => text.includes(standIn)));
      standIns.set(start, standIn);
    }
    return standIns;
  }

  #controlText(id: number | undefined): string {
    if (id !== undefined) for (const [text, control] of this.#tokenizer.controlTokens) if (control === id) return text;
    return '';
  }

  #parse(): Program {
    try {
      return parseTemplate(this.#source);
    } catch (cause) {
      throw new KaiwenError('bad_file', `The chat template of ${this.#name} does not parse: ${reason(cause)}.`, {
        remedy: REPAIR,
        cause,
      });
    }
  }

  #run(program: Program, messages: number, variables: Record<string, unknown>): string {
    try {
      return runTemplate(program, variables, STEPS + STEPS_PER_MESSAGE * messages);
    } catch (cause) {
      if (cause instanceof TemplateRefusal) {
        throw new KaiwenError(
          'bad_input',
          `The chat template of ${this.#name} refuses this conversation: ${reason(cause)}.`,
          { remedy: 'Change the order or roles of the messages as it asks.', cause },
        );
      }
      throw new KaiwenError('bad_file', `The chat template of ${this.#name} fails: ${reason(cause)}.`, {
        remedy: REPAIR,
        cause,
      });
    }
  }
}

/** `source` undefined: ChatML. The ids of one conversation; see ChatTemplate, which keeps what it needs between calls. */
export function renderChat(
  source: string | undefined,
  messages: readonly TemplateMessage[],
  options: RenderOptions & { tokenizer: Tokenizer; name?: string },
): number[] {
  return new ChatTemplate(source, options.tokenizer, options.name ?? 'the model').render(messages, options).tokens;
}

/** Templates want the arguments of calls as objects; clients send them as text. */
function withArguments(message: TemplateMessage): TemplateMessage {
  if (!message.toolCalls?.length) return message;
  const toolCalls = message.toolCalls.map((call) => {
    let value: unknown = call.arguments;
    try {
      if (typeof value === 'string') value = value.trim() === '' ? {} : parseJson(value);
    } catch {
      // Refused below.
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { ...call, arguments: value as JsonObject };
    }
    throw new KaiwenError('bad_input', `The arguments of a call of "${call.name}" are not a JSON object.`, {
      remedy: 'Leave out calls that were cut off.',
    });
  });
  return { ...message, toolCalls };
}

/** The formats tell results apart by their order alone. Those whose calls are unknown stay where they are. */
function inOrderOfCalls(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const ordered = [...messages];
  for (let i = 0; i < ordered.length; i++) {
    const calls = ordered[i].toolCalls;
    if (!calls) continue;
    const places = new Map(calls.map(({ id }, at) => [id, at]));
    let end = i + 1;
    while (end < ordered.length && ordered[end].role === 'tool') end++;
    const place = ({ toolCallId }: TemplateMessage) => (toolCallId === undefined ? -1 : (places.get(toolCallId) ?? -1));
    const results = ordered.slice(i + 1, end);
    if (results.some((result) => place(result) < 0)) continue;
    results.sort((a, b) => place(a) - place(b));
    // One by one: a client may send more of them than a call takes arguments.
    for (const [at, result] of results.entries()) ordered[i + 1 + at] = result;
  }
  return ordered;
}

/** A copy of a value of JSON's kind with every text in it, names of fields included, mapped. */
function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key), mapTexts(item, map)]));
}

function replaceAll(text: string, table: ReadonlyMap<string, string>): string {
  let result = text;
  for (const [from, to] of table) result = result.replaceAll(from, () => to);
  return result;
}

const escapeRegExp = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

function reason(error: unknown): string {
  // The template's text ran out under the parser, or its nesting exhausted the stack.
  if (error instanceof TypeError) return 'it ends within a block or expression, or uses what is not there';
  if (error instanceof RangeError) return 'it nests too deeply or writes too much';
  return (error instanceof Error ? error.message : String(error)).split('\n')[0].replace(/\.$/, '');
}
