import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exportJson, importJson } from './transfer.js';
import { branch, newestLeaf, siblings, titleOf, withReply } from './tree.js';
import type { Conversation, Message } from './types.js';

const message = (id: string, parent: string | null, role: Message['role'] = 'user'): Message => ({
  ...{ id, parent, role, content: `text of ${id}`, created: 1, state: 'done' },
});
const empty: Conversation = { id: 'c', title: '', created: 1, updated: 1, system: '', messages: [], leaf: null };

/** a → b, and a second answer b2, which has a question c after it. */
const forked = [
  message('a', null),
  message('b', 'a', 'assistant'),
  message('b2', 'a', 'assistant'),
  message('c', 'b2'),
].reduce(withReply, empty);

describe('the tree of messages', () => {
  it('shows one branch and knows the others', () => {
    expect(branch(forked).map(({ id }) => id)).toEqual(['a', 'b2', 'c']);
    expect(siblings(forked, forked.messages[1]).map(({ id }) => id)).toEqual(['b', 'b2']);
    expect(newestLeaf(forked, 'b')).toBe('b');
    expect(newestLeaf(forked, 'b2')).toBe('c');
    expect(titleOf(forked)).toBe('text of a');
  });

  it('ends where a file leads in circles', () => {
    const messages = [message('a', 'b'), message('b', 'a')];
    expect(branch({ ...empty, messages, leaf: 'a' })).toHaveLength(2);
    expect(newestLeaf({ ...empty, messages }, 'a')).toBe('b');
  });
});

describe('an exported file', () => {
  it('comes back as it was', () => {
    const full: Message = {
      ...message('d', 'c', 'assistant'),
      ...{ thinking: 'hm', thinkingMs: 5, finish: 'stop', notices: ['n'], model: 'm', toolCallId: 't' },
      toolCalls: [{ id: 't', name: 'calculator', arguments: '{}' }],
      stats: { firstMs: 1, tokensPerSecond: 2, promptTokens: 3, completionTokens: 4 },
      failure: { kind: 'lost', detail: 'x' },
    };
    const all = [withReply(forked, full)];
    expect(importJson(exportJson(all))).toEqual(all);
  });

  it('may hold anything without harm', () => {
    expect(importJson('not json')).toBeUndefined();
    expect(importJson('{"conversations":[]}')).toBeUndefined();
    const file = (conversations: unknown) => JSON.stringify({ format: 'kaiwen-conversations', conversations });
    expect(importJson(file([{ id: 'x', created: 1, messages: [{ id: 'm', role: 'root' }, 5, null] }]))).toEqual([
      { ...empty, id: 'x' },
    ]);
    fc.assert(fc.property(fc.jsonValue(), (value) => Array.isArray(importJson(file([value])))));
  });
});
