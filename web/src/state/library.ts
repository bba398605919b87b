/**
 * All conversations, in memory and in the browser's storage. Writes are gathered, so that a streaming answer does not
 * write itself down with every token; other tabs hear of what was written.
 */
import { allConversations, forget, keep } from './database.js';
import { Store } from './store.js';
import { readConversation } from './transfer.js';
import { titleOf } from './tree.js';
import type { Conversation } from './types.js';

const WRITE_AFTER_MS = 800;

/** Newest first. */
export const conversations = new Store<readonly Conversation[]>([]);
/** False where the browser keeps nothing. */
export const durable = new Store(true);

const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('kaiwen');
const dirty = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Reads what is kept and watches other tabs. */
export async function openLibrary(): Promise<void> {
  try {
    conversations.set(sorted(await allConversations()));
  } catch {
    durable.set(false);
  }
  channel?.addEventListener('message', ({ data }: MessageEvent<unknown>) => heard(data));
  window.addEventListener('pagehide', flush);
  document.addEventListener('visibilitychange', flush);
}

export function find(id: string): Conversation | undefined {
  return conversations.get().find((conversation) => conversation.id === id);
}

/** Adds a conversation or replaces the one of its id. */
export function put(conversation: Conversation): void {
  const others = conversations.get().filter(({ id }) => id !== conversation.id);
  conversations.set(sorted([conversation, ...others]));
  dirty.add(conversation.id);
  timer ??= setTimeout(flush, WRITE_AFTER_MS);
}

/** Changes a conversation if it is still there. */
export function change(id: string, with_: (conversation: Conversation) => Conversation): void {
  const conversation = find(id);
  if (conversation) put(with_(conversation));
}

export function remove(id: string): void {
  conversations.update((all) => all.filter((conversation) => conversation.id !== id));
  dirty.delete(id);
  if (!durable.get()) return;
  void forget(id).then(() => channel?.postMessage({ removed: id }), lost);
}

/** Writes what has changed. */
export function flush(): void {
  clearTimeout(timer);
  timer = undefined;
  const changed = [...dirty].flatMap((id) => find(id) ?? []);
  dirty.clear();
  if (!durable.get()) return;
  for (const conversation of changed) {
    void keep(conversation).then(() => channel?.postMessage({ kept: conversation }), lost);
  }
}

/** Those whose title or text has all the words. */
export function search(all: readonly Conversation[], query: string): readonly Conversation[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return all;
  return all.filter((conversation) => {
    const text = [titleOf(conversation), ...conversation.messages.map(({ content }) => content)]
      .join('\n')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function heard(data: unknown): void {
  if (typeof data !== 'object' || data === null) return;
  if ('removed' in data) conversations.update((all) => all.filter(({ id }) => id !== data.removed));
  const kept = 'kept' in data ? readConversation(data.kept) : undefined;
  // What is being changed here is newer than what another tab wrote.
  if (!kept || dirty.has(kept.id)) return;
  conversations.update((all) => sorted([kept, ...all.filter(({ id }) => id !== kept.id)]));
}

function lost(): void {
  durable.set(false);
}

function sorted(all: readonly Conversation[]): readonly Conversation[] {
  return [...all].sort((a, b) => b.updated - a.updated);
}
