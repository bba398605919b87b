/**
 * What a reader does with a conversation: ask, stop, ask again, edit, go to another branch. Answers of several
 * conversations may come at once; each belongs to its conversation, whichever is on the screen.
 */
import { chat } from '../api/client.js';
import { AskError } from '../api/failure.js';
import { runCalculator } from '../tools/calculator.js';
import { IncomingAnswer } from './answer.js';
import { change, find, flush, put } from './library.js';
import { modelOf, refreshModels, served } from './models.js';
import { requestBody } from './request.js';
import { apiKey, settings } from './settings.js';
import { Store } from './store.js';
import { branch, newestLeaf, withMessage, withReply } from './tree.js';
import type { Conversation, Failure, Message, ToolCall } from './types.js';

/** Ids of the conversations whose answer is coming. */
export const running = new Store<ReadonlySet<string>>(new Set());
const controllers = new Map<string, AbortController>();

/** Calls of tools in a row after which the reader must speak again. */
const MOST_ROUNDS = 5;

export function newConversation(system = ''): Conversation {
  const now = Date.now();
  return { id: newId(), title: '', created: now, updated: now, system, messages: [], leaf: null };
}

function newMessage(parent: string | null, role: Message['role'], rest: Partial<Message> = {}): Message {
  return { id: newId(), parent, role, content: '', created: Date.now(), state: 'done', ...rest };
}

/** Unique within a browser; needs no secure context, as randomUUID does. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Asks at the end of the shown branch. */
export function send(conversation: Conversation, content: string): void {
  const question = newMessage(conversation.leaf, 'user', { content });
  put(withReply(conversation, question));
  void answer(conversation.id, question.id);
}

/** Asks another question in the place of `message`; what came after it stays on its own branch. */
export function edit(id: string, message: Message, content: string): void {
  const conversation = find(id);
  if (!conversation) return;
  const question = newMessage(message.parent, 'user', { content });
  put(withReply(conversation, question));
  void answer(id, question.id);
}

/** Asks again for the answer `message`. */
export function regenerate(id: string, message: Message): void {
  if (message.parent !== null) void answer(id, message.parent);
}

export function showBranch(id: string, message: Message): void {
  change(id, (conversation) => ({ ...conversation, leaf: newestLeaf(conversation, message.id) }));
}

export function stop(id: string): void {
  controllers.get(id)?.abort();
}

/** Answers the message `parent`, calling the page's tools where they are switched on. */
async function answer(id: string, parent: string): Promise<void> {
  stop(id);
  const controller = new AbortController();
  controllers.set(id, controller);
  running.update((before) => new Set(before).add(id));
  try {
    let at: string | undefined = parent;
    for (let round = 0; at !== undefined && round < MOST_ROUNDS; round++) {
      const reply = await ask(id, at, controller.signal);
      at = reply && !controller.signal.aborted ? runTools(id, reply.id, reply.calls) : undefined;
    }
  } finally {
    if (controllers.get(id) === controller) {
      controllers.delete(id);
      running.update((before) => new Set([...before].filter((other) => other !== id)));
    }
    flush();
  }
}

async function ask(
  id: string,
  parent: string,
  signal: AbortSignal,
): Promise<{ id: string; calls: readonly ToolCall[] } | undefined> {
  if (served.get().models.length === 0) await refreshModels();
  const conversation = find(id);
  if (!conversation) return undefined;
  const model = modelOf(conversation);
  const path = branch({ ...conversation, leaf: parent });
  const reply = newMessage(parent, 'assistant', { state: 'streaming', model });
  put(withReply(conversation, reply));
  const incoming = new IncomingAnswer((changes) => change(id, (now) => withMessage(now, reply.id, changes)));
  try {
    const body = requestBody(model, conversation, path, settings.get());
    for await (const delta of chat(body, apiKey.get(), signal)) incoming.take(delta);
    incoming.end({ state: 'done' });
  } catch (error) {
    if (signal.aborted) incoming.end({ state: 'stopped' });
    else incoming.end({ state: 'failed', failure: failureOf(error) });
    return undefined;
  }
  return { id: reply.id, calls: incoming.toolCalls };
}

/** Answers the calls if all are for the page's tool, and says which message is now to be answered. */
function runTools(id: string, reply: string, calls: readonly ToolCall[]): string | undefined {
  if (!settings.get().calculator || calls.length === 0) return undefined;
  const results = calls.map(runCalculator);
  if (results.includes(undefined)) return undefined;
  let parent = reply;
  calls.forEach((call, index) => {
    const result = newMessage(parent, 'tool', { content: results[index], toolCallId: call.id });
    change(id, (conversation) => withReply(conversation, result));
    parent = result.id;
  });
  return parent;
}

function failureOf(error: unknown): Failure {
  if (error instanceof AskError) {
    if (error.failure.kind === 'key') served.update((before) => ({ ...before, failure: error.failure }));
    return error.failure;
  }
  return { kind: 'lost' };
}
