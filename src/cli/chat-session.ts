/**
 * A conversation: messages, system prompt and settings, and what a save file holds. It knows no terminal;
 * `chat-commands.ts` changes it by slash commands, `chat.ts` shows it.
 */
import { KaiwenError } from '../errors.js';
import type { AnswerEnd, ChatMessage, ChatOptions, Model, TextEvent } from '../generate/api.js';
import type { GenerateStats } from '../generate/engine.js';
import { SETTINGS, type SettingValues } from './settings.js';

/** What `/set` changes and a save file keeps. */
export type SessionOptions = SettingValues & Pick<ChatOptions, 'stop' | 'think'>;

export interface SavedConversation {
  format: 'kaiwen-conversation';
  version: 1;
  /** The model's name, to tell a reader; any model may go on with the conversation. */
  model: string;
  system?: string;
  settings: SessionOptions;
  messages: ChatMessage[];
}

export class ChatSession {
  readonly model: Model;
  options: SessionOptions;
  system: string | undefined;
  /** Name of the adapter that answers; absent: the model as it is. */
  adapter: string | undefined;
  /** Without the system prompt. */
  messages: ChatMessage[] = [];
  /** Of the last answer. */
  last: { reason: AnswerEnd; stats: GenerateStats } | undefined;

  constructor(model: Model, start: { system?: string; options?: SessionOptions; adapter?: string } = {}) {
    this.model = model;
    this.system = start.system;
    this.adapter = start.adapter;
    this.options = { ...start.options };
  }

  /**
   * Streams the answer to `text`. Question and answer join the conversation once the answer is done, an aborted one
   * as far as it came; a failed or empty one leaves the conversation as it was.
   */
  async *send(text: string, signal?: AbortSignal): AsyncGenerator<TextEvent, void, undefined> {
    const question: ChatMessage = { role: 'user', content: text };
    const system: ChatMessage[] = this.system ? [{ role: 'system', content: this.system }] : [];
    const answer: ChatMessage = { role: 'assistant', content: '' };
    const messages = [...system, ...this.messages, question];
    for await (const event of this.model.chat(messages, { ...this.options, adapter: this.adapter, signal })) {
      if (event.type === 'text') answer.content += event.text;
      else if (event.type === 'thinking') answer.thinking = (answer.thinking ?? '') + event.text;
      else if (event.type === 'done') {
        this.last = { reason: event.reason, stats: event.stats };
        if (answer.content !== '' || event.reason !== 'aborted') this.messages.push(question, answer);
      }
      yield event;
    }
  }

  clear(): void {
    this.messages = [];
    this.last = undefined;
  }

  save(): SavedConversation {
    return {
      format: 'kaiwen-conversation',
      version: 1,
      model: this.model.name,
      system: this.system,
      settings: this.options,
      messages: this.messages,
    };
  }

  /** Takes over a saved conversation. `where` names the file in errors; on an error nothing has changed. */
  async restore(text: string, where: string): Promise<void> {
    const saved = await parseConversation(text, where);
    this.system = saved.system;
    this.options = saved.settings;
    this.messages = saved.messages;
    this.last = undefined;
  }
}

async function parseConversation(text: string, where: string): Promise<SavedConversation> {
  const { z } = await import('zod');
  const settings = SETTINGS.map(({ key, range, valid }) => [
    key,
    z.number().refine(valid, `must be ${range}`).optional(),
  ]);
  const schema = z.object({
    format: z.literal('kaiwen-conversation'),
    version: z.literal(1),
    model: z.string(),
    system: z.string().optional(),
    settings: z.object({
      ...(Object.fromEntries(settings) as Record<
        keyof SettingValues,
        import('zod').ZodOptional<import('zod').ZodNumber>
      >),
      stop: z.array(z.string().min(1)).optional(),
      think: z.boolean().optional(),
    }),
    messages: z.array(
      z.object({
        role: z.enum(['system', 'user', 'assistant', 'tool']),
        content: z.string(),
        thinking: z.string().optional(),
      }),
    ),
  });
  const remedy = 'Load a file that /save wrote.';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new KaiwenError('bad_file', `${where} is not JSON.`, { remedy, cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue.path.join('.') || 'the file';
  throw new KaiwenError('bad_file', `${where} holds no conversation: ${field}: ${issue.message}.`, { remedy });
}
