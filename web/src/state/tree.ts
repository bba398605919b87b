/** The tree of a conversation's messages: the branch that is shown, its siblings, and going from one to another. */
import type { Conversation, Message } from './types.js';

/** From the first message to the leaf. Ends quietly where a parent is missing or met twice. */
export function branch({ messages, leaf }: Conversation): Message[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const path: Message[] = [];
  for (let at = leaf; at !== null; ) {
    const message = byId.get(at);
    if (!message) break;
    byId.delete(at);
    path.push(message);
    at = message.parent;
  }
  return path.reverse();
}

/** Messages that stand at the same place, oldest first, `message` among them. */
export function siblings({ messages }: Conversation, message: Message): Message[] {
  return messages.filter(({ parent, role }) => parent === message.parent && role === message.role);
}

/** The end of the newest branch that goes through `id`. */
export function newestLeaf({ messages }: Conversation, id: string): string {
  const newestChild = new Map(messages.map((message) => [message.parent, message.id]));
  const seen = new Set([id]);
  let at = id;
  for (let next = newestChild.get(at); next !== undefined && !seen.has(next); next = newestChild.get(at)) {
    seen.add(next);
    at = next;
  }
  return at;
}

/** A copy with one message changed. */
export function withMessage(conversation: Conversation, id: string, change: Partial<Message>): Conversation {
  const messages = conversation.messages.map((message) => (message.id === id ? { ...message, ...change } : message));
  return { ...conversation, messages };
}

/** A copy with a message added at the end of the shown branch. */
export function withReply(conversation: Conversation, message: Message): Conversation {
  return {
    ...conversation,
    messages: [...conversation.messages, message],
    leaf: message.id,
    updated: message.created,
  };
}

const TITLE_LENGTH = 60;

/** What the list calls a conversation: its own title, or how its first question begins. */
export function titleOf(conversation: Conversation): string {
  if (conversation.title) return conversation.title;
  const first = conversation.messages.find(({ role }) => role === 'user');
  const line = first?.content.replace(/\s+/g, ' ').trim() ?? '';
  const letters = [...line];
  return letters.length > TITLE_LENGTH ? `${letters.slice(0, TITLE_LENGTH).join('').trimEnd()}…` : line;
}
