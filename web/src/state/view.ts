/** What is on the screen: which conversation (in the address, so that back and reload work), and what is open over it. */
import { newId, stop } from './chat.js';
import { find, put, remove } from './library.js';
import { Store } from './store.js';
import { readConversation } from './transfer.js';
import type { Conversation } from './types.js';

/** Id of the shown conversation; undefined: a new one that nobody has asked anything yet. */
export const shown = new Store<string | undefined>(fromAddress());
/** The list of conversations, where the screen is too narrow to show it always. */
export const menuOpen = new Store(false);
export const settingsOpen = new Store(false);
/** A short message with something to do about it. */
export const notice = new Store<{ text: string; undo?: () => void } | undefined>(undefined);
/** The id of the question that is being edited. */
export const editing = new Store<string | undefined>(undefined);
/** The system prompt of a conversation that does not exist yet. */
export const draftSystem = new Store('');

window.addEventListener('hashchange', () => shown.set(fromAddress()));

function fromAddress(): string | undefined {
  return /^#c=([\w-]+)$/.exec(location.hash)?.[1];
}

export function show(id: string | undefined): void {
  menuOpen.set(false);
  editing.set(undefined);
  if (id === shown.get()) return;
  history.pushState(null, '', id === undefined ? `${location.pathname}${location.search}` : `#c=${id}`);
  shown.set(id);
}

window.addEventListener('popstate', () => shown.set(fromAddress()));

export function removeWithUndo(conversation: Conversation, text: string): void {
  stop(conversation.id);
  remove(conversation.id);
  if (shown.get() === conversation.id) show(undefined);
  notice.set({
    text,
    undo: () => {
      // As it is read back: an answer that was coming has stopped.
      put(readConversation(conversation) ?? conversation);
      show(conversation.id);
    },
  });
}

/** Adds imported conversations beside those that are there. */
export function addImported(all: readonly Conversation[]): void {
  for (const conversation of all) put(find(conversation.id) ? { ...conversation, id: newId() } : conversation);
}
