import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatMessage, ChatOptions, Model, TextEvent } from '../generate/api.js';
import { commandName, runChatCommand } from './chat-commands.js';
import { ChatSession } from './chat-session.js';

const speculation = { steps: 0, drafted: 0, accepted: 0 };
const stats = { promptTokens: 3, cachedTokens: 1, completionTokens: 2, prefillMs: 1, decodeMs: 1, speculation };

/** A model that answers with the number of messages it was shown, and remembers them. */
function countingModel(): { model: Model; seen: { messages: readonly ChatMessage[]; options?: ChatOptions }[] } {
  const seen: { messages: readonly ChatMessage[]; options?: ChatOptions }[] = [];
  async function* chat(messages: readonly ChatMessage[], options?: ChatOptions): AsyncGenerator<TextEvent> {
    seen.push({ messages, options });
    if (messages.at(-1)?.content === 'fail') throw new Error('no answer');
    yield { type: 'thinking', text: 'hm' };
    if (options?.signal?.aborted) {
      yield { type: 'done', reason: 'aborted', stats };
      return;
    }
    yield { type: 'text', text: `${messages.length} ` };
    yield { type: 'text', text: 'messages' };
    yield { type: 'done', reason: 'stop', stats };
  }
  const defaults = { temperature: 0.7, topK: 20, topP: 0.9, minP: 0 };
  return { model: { name: 'counting', canThink: false, defaults, chat } as unknown as Model, seen };
}

async function drain(events: AsyncIterable<TextEvent>): Promise<void> {
  for await (const _ of events);
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kaiwen-chat-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a conversation grows by question and answer, the system prompt comes first', async () => {
  const { model, seen } = countingModel();
  const session = new ChatSession(model, { system: 'Be brief.', options: { topK: 5 } });
  await drain(session.send('one'));
  await drain(session.send('two'));
  expect(session.messages).toEqual([
    { role: 'user', content: 'one' },
    { role: 'assistant', content: '2 messages', thinking: 'hm' },
    { role: 'user', content: 'two' },
    { role: 'assistant', content: '4 messages', thinking: 'hm' },
  ]);
  expect(seen[1].messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
  expect(seen[1].options?.topK).toBe(5);
});

test('a failed answer, or one aborted before its first word, leaves the conversation as it was', async () => {
  const session = new ChatSession(countingModel().model);
  await expect(drain(session.send('fail'))).rejects.toThrow('no answer');
  await drain(session.send('never mind', AbortSignal.abort()));
  expect(session.messages).toEqual([]);
});

test('/set changes what the model is asked for, and refuses what makes no sense', async () => {
  const session = new ChatSession(countingModel().model);
  await runChatCommand(session, '/set temperature 0.2');
  await runChatCommand(session, '/set MAX_TOKENS 7');
  await runChatCommand(session, '/set stop the end');
  expect(session.options).toEqual({ temperature: 0.2, maxTokens: 7, stop: ['the end'] });
  for (const line of [
    '/set temperature hot',
    '/set top-p 1.5',
    '/set top-k 1.5',
    '/set nothing 1',
    '/set seed',
    '/set think on',
  ]) {
    await expect(runChatCommand(session, line), line).rejects.toMatchObject({ code: 'usage' });
  }
  await runChatCommand(session, '/set temperature default');
  expect(session.options).toEqual({ maxTokens: 7, stop: ['the end'] });
});

test('/adapter chooses who answers, among those that are loaded', async () => {
  const { model, seen } = countingModel();
  const adapters = [
    { name: 'shop', kind: 'LoRA', rank: 8 },
    { name: 'poet', kind: 'DoRA', rank: 4 },
  ];
  const session = new ChatSession(Object.assign(model, { info: { adapters } }), { adapter: 'shop' });
  await drain(session.send('one'));
  expect((await runChatCommand(session, '/adapter poet')).output).toMatch(/\* poet {2}DoRA, rank 4/);
  await drain(session.send('two'));
  await expect(runChatCommand(session, '/adapter nobody')).rejects.toMatchObject({ code: 'usage' });
  await runChatCommand(session, '/adapter off');
  await drain(session.send('three'));
  expect(seen.map(({ options }) => options?.adapter)).toEqual(['shop', 'poet', undefined]);
});

test('a saved conversation comes back; anything else is refused and changes nothing', async () => {
  const file = join(folder, 'talk.json');
  const session = new ChatSession(countingModel().model, { system: 'Be brief.', options: { seed: 4 } });
  await drain(session.send('one'));
  await runChatCommand(session, `/save ${file}`);
  const other = new ChatSession(countingModel().model);
  await runChatCommand(other, `/load ${file}`);
  expect(other.save()).toEqual(session.save());

  const saved = JSON.parse(await readFile(file, 'utf8'));
  const broken = ['', '[]', '{"format":"other"}'];
  broken.push(JSON.stringify({ ...saved, settings: { temperature: -1 } }));
  broken.push(JSON.stringify({ ...saved, messages: [{ role: 'judge', content: 'x' }] }));
  for (const text of broken) {
    await writeFile(file, text);
    await expect(runChatCommand(other, `/load ${file}`), text).rejects.toMatchObject({ code: 'bad_file' });
  }
  await expect(runChatCommand(other, `/save ${folder}`)).rejects.toMatchObject({ code: 'bad_input' });
  expect(other.save()).toEqual(session.save());
});

test('a line is a command only if a bare word follows the slash', async () => {
  expect(commandName('/help')).toBe('help');
  expect(commandName('/SET top-k 3')).toBe('set');
  expect(commandName('/etc/hosts is a file')).toBeUndefined();
  expect(commandName(' /help')).toBeUndefined();
  await expect(runChatCommand(new ChatSession(countingModel().model), '/constructor')).rejects.toThrow('no command');
  expect(await runChatCommand(new ChatSession(countingModel().model), '/exit')).toEqual({ exit: true });
});
