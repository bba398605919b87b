/** The command itself, as a child process over the shipped model: needs the build in dist/. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { complaints } from './complaints.js';

let child: ChildProcess;
let openai: OpenAI;
let errors = '';

function start(...args: string[]): ChildProcess {
  const { KAIWEN_API_KEY: _, ...env } = process.env;
  return spawn(process.execPath, ['dist/cli/main.js', 'serve', 'models/glossary', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The address in the greeting. */
async function address(server: ChildProcess): Promise<string> {
  let text = '';
  for await (const piece of server.stdout!) {
    text += piece;
    const url = /http:\/\/[\d.]+:\d+\/v1/.exec(text)?.[0];
    if (url) return url;
  }
  throw new Error(`no address in: ${text}${errors}`);
}

beforeAll(async () => {
  child = start('--port', '0', '--threads', '1');
  child.stderr!.on('data', (data) => {
    errors += data;
  });
  openai = new OpenAI({ baseURL: await address(child), apiKey: 'none', maxRetries: 0 });
});
afterAll(() => {
  child.kill('SIGKILL');
});

const request = {
  model: 'glossary',
  messages: [{ role: 'user' as const, content: 'What does "apple" mean?' }],
  temperature: 0,
  max_tokens: 24,
};

it('streams what it answers at once, and counts the same tokens', async () => {
  const whole = await openai.chat.completions.create(request);
  expect(whole.choices[0].message.content).toMatch(/\w/);
  const stream = await openai.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe(whole.choices[0].message.content);
  expect(usage).toMatchObject({
    prompt_tokens: whole.usage?.prompt_tokens,
    completion_tokens: whole.usage?.completion_tokens,
  });
});

it('gives each token a probability that is one', async () => {
  const { choices } = await openai.chat.completions.create({ ...request, logprobs: true, top_logprobs: 3 });
  const entries = choices[0].logprobs?.content ?? [];
  expect(entries.map(({ token }) => token).join('')).toBe(choices[0].message.content);
  for (const { logprob, top_logprobs } of entries) {
    expect(top_logprobs).toHaveLength(3);
    // Greedy: the token drawn is the likeliest.
    expect(top_logprobs[0].logprob).toBeCloseTo(logprob, 5);
    const mass = top_logprobs.reduce((sum, other) => sum + Math.exp(other.logprob), 0);
    expect(mass).toBeGreaterThan(0);
    expect(mass).toBeLessThanOrEqual(1.0001);
  }
});

it('answers many at once, beside clients that leave', async () => {
  const leave = async () => {
    const stream = await openai.chat.completions.create({ ...request, max_tokens: 400, temperature: 1, stream: true });
    for await (const _ of stream) break;
  };
  const left = [leave(), leave(), leave()];
  const answers = await Promise.all([0, 1, 2].map((seed) => openai.chat.completions.create({ ...request, seed })));
  await Promise.all(left);
  expect(new Set(answers.map(({ choices }) => choices[0].message.content)).size).toBe(1);
  const running = async () => (await (await fetch(new URL('/health', openai.baseURL))).json()).requests;
  await expect.poll(running).toBe(0);
});

it('streams four answers side by side, each as it would be alone', async () => {
  const stream = async (word: string) => {
    const messages = [{ role: 'user' as const, content: `What does "${word}" mean?` }];
    let text = '';
    for await (const { choices } of await openai.chat.completions.create({ ...request, messages, stream: true })) {
      text += choices[0].delta.content ?? '';
    }
    return text;
  };
  const words = ['apple', 'peace', 'river', 'light'];
  const alone: string[] = [];
  for (const word of words) alone.push(await stream(word));
  expect(await Promise.all(words.map(stream))).toEqual(alone);
});

it('refuses a prompt longer than the context', async () => {
  const prompt = 'word '.repeat(20_000);
  const error = { status: 400, code: 'context_length_exceeded' };
  await expect(openai.completions.create({ model: 'glossary', prompt })).rejects.toMatchObject(error);
  const messages = [{ role: 'user' as const, content: prompt }];
  await expect(openai.chat.completions.create({ ...request, messages })).rejects.toMatchObject(error);
});

it('says in one line that the port is in use', async () => {
  const port = new URL(openai.baseURL).port;
  const second = start('--port', port, '--threads', '1');
  let text = '';
  second.stderr!.on('data', (data) => {
    text += data;
  });
  const [code] = await once(second, 'close');
  expect(code).toBe(1);
  expect(complaints(text).trim()).toMatch(new RegExp(`^kaiwen: [^\\n]*port ${port}: the port is in use[^\\n]*$`));
});

it('finishes a running answer when it is told to stop', async () => {
  const stream = await openai.chat.completions.create({ ...request, max_tokens: 60, stream: true });
  const ended = once(child, 'exit');
  let finish: string | null = null;
  let first = true;
  for await (const { choices } of stream) {
    if (first) child.kill('SIGTERM');
    first = false;
    finish = choices[0].finish_reason ?? finish;
  }
  expect(finish).toMatch(/^(stop|length|repetition)$/);
  expect(await ended).toEqual([0, null]);
  expect(errors).toContain('POST /v1/chat/completions 200');
  expect(errors).not.toContain('apple');
});
