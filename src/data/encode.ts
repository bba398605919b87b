/**
 * Examples to token ids with a loss weight each, exactly as the engine will see them: the tokens before an answer are
 * those of the prompt that it renders, and what is learned is what it has to write then, thinking and the token that
 * ends the turn included, and not the line break that the template puts after it.
 *
 * Templates may write a turn otherwise once others follow (Qwen3 drops earlier thinking). A conversation then becomes
 * several documents, so that every learned turn stands as the model will have written it; where the template only
 * appends, it stays one.
 */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import type { ChatTemplate, Conversation } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { type Example, Fault, type Message } from './example.js';

/** Which turns are learned where a message has no `weight` of its own. */
export type Loss = 'assistant' | 'last' | 'all';

export interface Encoded {
  ids: number[];
  /** 255 = 1; absent: all are learned. */
  weights?: number[];
}

export interface EncodeOptions {
  /** Default 'assistant'. */
  loss?: Loss;
  /** Passed to the template as `enable_thinking`. */
  think?: boolean;
  /** Ends a text document; default: the model's own end of text. */
  endToken?: string;
}

/** Names of the token that ends a document, in the order of preference. */
const END_OF_DOCUMENT = ['<|endoftext|>', '<|end_of_text|>'];

/** A stretch of a rendered text and its weight. */
interface Span {
  start: number;
  end: number;
  weight: number;
}

export class ExampleEncoder {
  /** How many answers follow a prompt that the template would not have asked them with. */
  unlikePrompt = 0;
  /** How many thoughts, tool calls and lists of tools the template does not write. */
  readonly lost = { thoughts: 0, calls: 0, tools: 0 };
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #loss: Loss;
  readonly #think?: boolean;
  readonly #end: number;
  readonly #writes: ReturnType<typeof abilities>;

  /** Throws KaiwenError 'bad_input' if there is no such end token. */
  constructor(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    { loss = 'assistant', think, endToken }: EncodeOptions = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#loss = loss;
    this.#think = think;
    this.#end = endOfDocument(tokenizer, endToken);
    this.#writes = abilities(template);
  }

  /** The documents of an example; two, chosen and rejected, for a pair. Throws Fault if nothing in it is to be learned. */
  encode(example: Example): Encoded[] {
    if (example.kind === 'text') return [this.#text(example.text)];
    if (example.kind === 'completion') return [this.#completion(example.prompt, example.completion)];
    if (example.kind === 'plain-pair') {
      return [example.chosen, example.rejected].map((answer) => this.#completion(example.prompt, answer));
    }
    if (example.kind === 'chat') return this.#chat(example.messages, example.tools);
    return [example.chosen, example.rejected].map((answer) => {
      const prompt = example.prompt.map((message) => ({ ...message, weight: 0 }));
      return this.#chat([...prompt, ...answer], example.tools, 'last').at(-1)!;
    });
  }

  #text(text: string): Encoded {
    return { ids: [...this.#begin(), ...this.#tokenizer.encode(text), this.#end] };
  }

  #completion(prompt: string, completion: string): Encoded {
    const before = [...this.#begin(), ...this.#tokenizer.encode(prompt)];
    const after = [...this.#tokenizer.encode(completion), this.#end];
    return { ids: [...before, ...after], weights: [...before.map(() => 0), ...after.map(() => 255)] };
  }

  #begin(): number[] {
    const { addBos, bosToken } = this.#tokenizer;
    return addBos && bosToken !== undefined ? [bosToken] : [];
  }

  #chat(messages: readonly Message[], tools: JsonObject[] | undefined, loss = this.#loss): Encoded[] {
    const last = messages.findLastIndex(({ role }) => role === 'assistant');
    const weightOf = ({ role, weight }: Message, i: number): number =>
      weight ?? Number(loss === 'all' || (role === 'assistant' && (loss === 'assistant' || i === last)));
    const conversation = this.#template.open(messages, { tools, think: this.#think });
    if (tools?.length && !this.#writes.tools) this.lost.tools++;
    const documents: { text: string; spans: Span[] }[] = [];
    for (const [i, message] of messages.entries()) {
      const weight = weightOf(message, i);
      if (message.thinking?.trim() && !this.#writes.thoughts) this.lost.thoughts++;
      if (message.toolCalls?.length && !this.#writes.calls) this.lost.calls++;
      if (weight === 0) continue;
      const text = conversation.text(i + 1, false);
      const span = { ...this.#turn(conversation, message, i, text), weight };
      if (span.start === span.end) continue;
      const open = documents.at(-1);
      if (open && text.startsWith(open.text)) {
        open.text = text;
        open.spans.push(span);
      } else documents.push({ text, spans: [span] });
    }
    if (documents.length === 0) {
      throw new Fault(
        'nothing in this conversation is to be learned',
        'It needs an assistant turn whose weight is above 0.',
      );
    }
    return documents.map(({ text, spans }) => encodeSpans(conversation, text, spans));
  }

  /** Where in `text`, the messages up to and with `i`, the turn stands that is learned. */
  #turn(conversation: Conversation, message: Message, i: number, text: string): { start: number; end: number } {
    const answer = message.role === 'assistant';
    const before = i === 0 && !answer ? '' : conversation.text(i, answer);
    const controls = conversation.controls(text);
    let start = commonPrefix(before, text);
    if (answer && start < before.length) {
      this.unlikePrompt++;
      start = controls.find((control) => control.start < start && start < control.end)?.start ?? start;
    }
    if (!answer) return { start, end: text.length };
    const end = controls.findLast(
      (control) => control.start >= start && this.#tokenizer.eosTokens.includes(control.id),
    );
    return { start, end: end?.end ?? text.length };
  }
}

/** What of a conversation besides its contents a template writes: tried, since templates differ in how they spell it. */
function abilities(template: ChatTemplate): { thoughts: boolean; calls: boolean; tools: boolean } {
  const name = 'kaiwen_probe';
  const writes = (answer: Partial<Message>, tools?: JsonObject[]): boolean => {
    const messages: Message[] = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b', ...answer },
    ];
    try {
      return template.open(messages, { tools }).text(2, false).includes(name);
    } catch {
      return false;
    }
  };
  return {
    thoughts: writes({ thinking: name }),
    calls: writes({ toolCalls: [{ name, arguments: {} }] }),
    tools: writes({}, [{ type: 'function', function: { name, description: '', parameters: {} } }]),
  };
}

/** Cut where spans begin, so that the tokens before an answer are those of its prompt. */
function encodeSpans(conversation: Conversation, text: string, spans: readonly Span[]): Encoded {
  const ids: number[] = [];
  const weights: number[] = [];
  let done = 0;
  const add = (end: number, weight: number): void => {
    for (const id of conversation.encode(text.slice(done, end))) {
      ids.push(id);
      weights.push(weight);
    }
    done = end;
  };
  for (const { start, end, weight } of spans) {
    add(start, 0);
    add(end, Math.max(1, Math.round(weight * 255)));
  }
  add(text.length, 0);
  return { ids, weights };
}

function endOfDocument(tokenizer: Tokenizer, name: string | undefined): number {
  if (name !== undefined) {
    const id = tokenizer.controlTokens.get(name);
    if (id !== undefined) return id;
    throw new KaiwenError('bad_input', `The tokenizer has no control token ${JSON.stringify(name)}.`, {
      remedy: 'Name one of its control tokens as the end of a document.',
    });
  }
  const id = END_OF_DOCUMENT.map((text) => tokenizer.controlTokens.get(text)).find((id) => id !== undefined);
  const end = id ?? tokenizer.eosTokens[0];
  if (end !== undefined) return end;
  throw new KaiwenError('bad_input', 'The tokenizer has no token that ends a document.', {
    remedy: 'Name one of its control tokens with --end-token.',
  });
}

function commonPrefix(a: string, b: string): number {
  if (b.startsWith(a)) return a.length;
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}
